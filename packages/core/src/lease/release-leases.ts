import type { FencingToken } from '../contract/lease.js';
import { HeldLease, type LeaseServices } from './held-lease.js';

/**
 * Frees several leases in one batch, in the order given, so that each lease's own `release` answers the same.
 *
 * @returns one outcome a lease, in the order given
 */
export function releaseLeases<F extends FencingToken>(
  leases: readonly HeldLease<F>[],
  services: LeaseServices,
): readonly Promise<boolean>[] {
  const records = leases.map((lease) => HeldLease.recordOf(lease));
  const done = services.releaser.releaseMany(records);
  return leases.map((lease, index) => {
    const outcome = done.then((outcomes) => {
      const record = records[index];
      const own = record === undefined ? undefined : outcomes.get(record);
      if (own === undefined) return false;
      if ('error' in own) throw own.error;
      return own.freed;
    });
    lease.settleRelease(outcome);
    return lease.release();
  });
}
