import { setMaxListeners } from 'node:events';
import type { FencingToken, Lease, LeaseGroup } from '../contract/lease.js';
import { LockArgumentError, type LockLostError } from '../errors.js';
import { checkExtend, HeldLease, type LeaseServices } from './held-lease.js';

/** Several leases as one hold: held while all are, lost when the first is. */
export class HeldLeaseGroup<N extends string, F extends FencingToken> implements LeaseGroup<N, F> {
  readonly names: readonly N[];
  readonly #leases: ReadonlyMap<string, HeldLease<F>>;
  readonly #services: LeaseServices;
  readonly #controller = new AbortController();
  #lost: LockLostError | null = null;
  #release: Promise<boolean> | null = null;

  constructor(names: readonly N[], leases: readonly HeldLease<F>[], services: LeaseServices) {
    this.names = names;
    this.#leases = new Map(leases.map((lease) => [lease.name, lease]));
    this.#services = services;
    setMaxListeners(0, this.#controller.signal);
    for (const lease of leases) {
      HeldLease.holdOf(lease).onLost((error) => {
        this.#lose(error);
      });
    }
  }

  get signal(): AbortSignal {
    void this.isHeld;
    return this.#controller.signal;
  }

  get isHeld(): boolean {
    let held = true;
    for (const lease of this.#leases.values()) held = lease.isHeld && held;
    return held && this.#lost === null && this.#release === null;
  }

  get remainingMs(): number {
    if (!this.isHeld) return 0;
    return Math.min(...[...this.#leases.values()].map((lease) => lease.remainingMs));
  }

  assertHeld(): void {
    for (const lease of this.#leases.values()) lease.assertHeld();
    if (this.#lost !== null) throw this.#lost;
  }

  async extend(ttlMs?: number): Promise<void> {
    checkExtend(ttlMs);
    this.assertHeld();
    await this.#services.holds.extend(
      [...this.#leases.values()].map((lease) => HeldLease.holdOf(lease)),
      ttlMs,
    );
  }

  release(): Promise<boolean> {
    this.#release ??= this.#releaseAll();
    return this.#release;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.release();
    } catch {
      // Reported by the event 'release-failed'; the release goes on in the background.
    }
  }

  get(name: N): Lease<F> {
    const lease = this.#leases.get(name);
    if (lease !== undefined) return lease;
    throw new LockArgumentError(`get: ${JSON.stringify(String(name).slice(0, 80))} is not in this group`, { option: 'name' });
  }

  [Symbol.iterator](): Iterator<Lease<F>> {
    return this.#leases.values();
  }

  toJSON(): Record<string, unknown> {
    return {
      names: this.names,
      isHeld: this.isHeld,
      remainingMs: this.remainingMs,
      leases: [...this.#leases.values()].map((l) => l.toJSON()),
    };
  }

  async #releaseAll(): Promise<boolean> {
    const { holds } = this.#services;
    const all = [...this.#leases.values()].map((lease) => HeldLease.holdOf(lease)).reverse();
    holds.release(all);
    return (await holds.released(all)) === all.length;
  }

  #lose(error: LockLostError): void {
    if (this.#lost !== null || this.#release !== null) return;
    this.#lost = error;
    this.#controller.abort(error);
  }
}
