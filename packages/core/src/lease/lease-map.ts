import type { FencingToken, Lease, LeaseMap } from '../contract/lease.js';
import { HeldLease, type LeaseServices } from './held-lease.js';

/** What `tryAcquireEach` took: a Map of which `await using` frees all. */
export class HeldLeaseMap<N extends string, F extends FencingToken> extends Map<N, Lease<F>> implements LeaseMap<N, F> {
  readonly #services: LeaseServices;

  constructor(services: LeaseServices) {
    super();
    this.#services = services;
  }

  /** What `map` and the like make of it is a plain Map. */
  static override get [Symbol.species](): MapConstructor {
    return Map;
  }

  async releaseAll(): Promise<number> {
    const { holds } = this.#services;
    const held = [...this.values()].filter((lease): lease is HeldLease<F> => lease instanceof HeldLease && lease.isHeld);
    const all = held.map((lease) => HeldLease.holdOf(lease));
    holds.release(all);
    return await holds.released(all);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.releaseAll();
    } catch {
      // Reported by the event 'release-failed'; the release goes on in the background.
    }
  }

  toJSON(): Record<string, unknown> {
    return Object.fromEntries(this);
  }
}
