import type { Lease } from '@holdfast/core';

/** How an election's own candidates are. */
export interface ElectionHealth {
  /**
   * false: this one leads with less than `minRemainingMs` left, or its lease is lost and its task has not ended. A candidate that does not lead
   * is well.
   */
  readonly ok: boolean;
  /** Whether this one leads now. */
  readonly leading: boolean;
  /** What its lease has left, in milliseconds; 0 while it does not lead. */
  readonly remainingMs: number;
}

/** What is known without asking the store, by the leases of terms that are not over. */
export function healthOf(leases: readonly Pick<Lease, 'isHeld' | 'remainingMs'>[], minRemainingMs: number): ElectionHealth {
  const remainingMs = Math.max(0, ...leases.map((lease) => lease.remainingMs));
  return {
    ok: leases.every((lease) => lease.isHeld && lease.remainingMs >= minRemainingMs),
    leading: leases.some(({ isHeld }) => isHeld),
    remainingMs,
  };
}
