import type { Clock } from '@holdfast/core';
import type { Trial } from './trial.js';

/** Holds that have ended without a release are looked for this often. */
const SWEEP_MS = 5000;

/**
 * What this client holds, by owner: under which counter each node keeps it, and its token. A renewal needs them, as a
 * vote counts only under the counter with which it was given.
 */
export class HoldTable {
  readonly #clock: Clock;
  readonly #holds = new Map<string, Trial>();
  readonly #slots = new Map<string, Set<number>>();
  /** Owners whose hold was passed on, and until when something of it may stand: a release of theirs must not touch the next holder's. */
  readonly #passed = new Map<string, number>();
  #sweptAt: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#sweptAt = clock.now();
  }

  get(owner: string): Trial | undefined {
    return this.#holds.get(owner);
  }

  /** Slots of a semaphore that this client has. */
  slotsOf(name: string): ReadonlySet<number> {
    return this.#slots.get(name) ?? new Set();
  }

  add(owner: string, hold: Trial): void {
    this.#sweep();
    this.#holds.set(owner, hold);
    hold.heldBy = owner;
    const { mode, name, slots } = hold.unit;
    if (mode !== 'permits') return;
    const taken = this.#slots.get(name) ?? new Set();
    for (const slot of slots) taken.add(slot);
    this.#slots.set(name, taken);
  }

  remove(owner: string): Trial | undefined {
    const hold = this.#holds.get(owner);
    if (hold === undefined) return undefined;
    this.#holds.delete(owner);
    const { mode, name, slots } = hold.unit;
    if (mode === 'permits') {
      const taken = this.#slots.get(name);
      for (const slot of slots) taken?.delete(slot);
      if (taken?.size === 0) this.#slots.delete(name);
    }
    return hold;
  }

  /** Another owner goes on with a hold. */
  pass(hold: Trial, owner: string): void {
    const from = hold.heldBy;
    this.remove(from);
    this.#passed.set(from, hold.until);
    this.add(owner, hold);
  }

  wasPassed(owner: string): boolean {
    return this.#passed.has(owner);
  }

  /** Nobody tells of a hold that its holder let expire. */
  #sweep(): void {
    const now = this.#clock.now();
    if (now - this.#sweptAt < SWEEP_MS) return;
    this.#sweptAt = now;
    for (const [owner, hold] of this.#holds) if (hold.until <= now) this.remove(owner);
    for (const [owner, until] of this.#passed) if (until <= now) this.#passed.delete(owner);
  }
}
