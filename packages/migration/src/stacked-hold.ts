import { type FencingToken, type HoldRef, isLockError, type Lease, type LostReason } from '@holdfast/core';
import type { MigrationSide } from './phase.js';
import type { Passage } from './phase-gate.js';

/** A lease on one side. */
export interface SideLease {
  readonly side: MigrationSide;
  readonly lease: Lease;
}

/** One hold that stands on one or two leases: held while all are, lost when one is lost. */
export class StackedHold {
  readonly ref: HoldRef;
  readonly #leases: readonly SideLease[];
  readonly #passage: Passage;
  readonly #onLost: (hold: StackedHold, reason: LostReason) => void;
  readonly #listener = (): void => {
    this.#lose();
  };

  constructor(ref: HoldRef, leases: readonly SideLease[], passage: Passage, onLost: (hold: StackedHold, reason: LostReason) => void) {
    this.ref = ref;
    this.#leases = leases;
    this.#passage = passage;
    this.#onLost = onLost;
  }

  /** From here on a loss is reported. One that came before is reported at once. */
  watch(): void {
    for (const { lease } of this.#leases) lease.signal.addEventListener('abort', this.#listener, { once: true });
    if (this.#leases.some(({ lease }) => lease.signal.aborted)) this.#lose();
  }

  /** The target's, or null: tokens of two stores do not compare. */
  get fencingToken(): FencingToken {
    return this.#leases.find(({ side }) => side === 'to')?.lease.fencingToken ?? null;
  }

  /** For how long every side believes in its lease. */
  get remainingMs(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const { lease } of this.#leases) least = Math.min(least, lease.remainingMs);
    return least;
  }

  /** Keeps it on every side. false: one of them is lost; null: a side did not answer. */
  async extend(ttlMs: number): Promise<boolean | null> {
    const outcomes = await Promise.allSettled(this.#leases.map(({ lease }) => lease.extend(ttlMs)));
    const errors = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []));
    if (errors.some((error) => isLockError(error, 'LOCK_LOST'))) return false;
    return errors.length === 0 ? true : null;
  }

  /**
   * Frees it, the side that was taken last first: the one who gets the first side then finds the other free. A side that
   * does not answer goes on in the background, and does not keep the other from being freed.
   */
  async release(): Promise<boolean> {
    this.#detach();
    try {
      return await releaseSides(this.#leases);
    } finally {
      this.#passage.leave();
    }
  }

  #lose(): void {
    this.#detach();
    const lost = this.#leases.find(({ lease }) => lease.signal.aborted);
    const error: unknown = lost?.lease.signal.reason;
    // The holder is notified before the other side is free for the next one.
    this.#onLost(this, isLockError(error, 'LOCK_LOST') ? error.reason : 'deadline');
    this.#passage.leave();
    void disposeSides(this.#leases);
  }

  #detach(): void {
    for (const { lease } of this.#leases) lease.signal.removeEventListener('abort', this.#listener);
  }
}

/** Frees in reverse; rejects with the first failure when all have been tried. true when each was still ours. */
async function releaseSides(leases: readonly SideLease[]): Promise<boolean> {
  let wereOurs = true;
  const errors: unknown[] = [];
  for (const { lease } of [...leases].reverse()) {
    try {
      // oxlint-disable-next-line no-await-in-loop
      if (!(await lease.release())) wereOurs = false;
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
  return wereOurs;
}

/** Frees in reverse and never rejects: what is not answered goes on in the background. */
export async function disposeSides(leases: readonly SideLease[]): Promise<void> {
  await releaseSides(leases).catch(() => {});
}
