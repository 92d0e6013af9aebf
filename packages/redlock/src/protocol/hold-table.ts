import type { Clock } from '@holdfast/core';
import { addTo, removeFrom } from '@holdfast/core/backend';
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
  /** Holds that were passed on, by each of their owners, for as long as something of them may stand. */
  readonly #passed = new Map<string, Trial>();
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
    if (mode === 'permits') for (const slot of slots) addTo(this.#slots, name, slot);
  }

  remove(owner: string): Trial | undefined {
    const hold = this.#holds.get(owner);
    if (hold === undefined) return undefined;
    this.#holds.delete(owner);
    const { mode, name, slots } = hold.unit;
    if (mode === 'permits') for (const slot of slots) removeFrom(this.#slots, name, slot);
    return hold;
  }

  /** Another owner goes on with a hold. */
  pass(hold: Trial, owner: string): void {
    this.#passed.set(hold.heldBy, hold).set(owner, hold);
    this.remove(hold.heldBy);
    this.add(owner, hold);
  }

  /** Whether another owner has it now: a release of this one must not touch that one's hold. */
  wasPassed(owner: string): boolean {
    const hold = this.#passed.get(owner);
    return hold !== undefined && hold.heldBy !== owner;
  }

  /** Under which owner the nodes know a hold that is in the table no more. */
  ownerAtNodes(owner: string): string {
    return this.#passed.get(owner)?.unit.owner ?? owner;
  }

  /** Nobody tells of a hold that its holder let expire. */
  #sweep(): void {
    const now = this.#clock.now();
    if (now - this.#sweptAt < SWEEP_MS) return;
    this.#sweptAt = now;
    for (const [owner, hold] of this.#holds) if (hold.until <= now) this.remove(owner);
    for (const [owner, { until }] of this.#passed) if (until <= now) this.#passed.delete(owner);
  }
}
