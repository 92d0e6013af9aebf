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
  const outcomes = services.holds.release(leases.map((lease) => HeldLease.holdOf(lease)));
  return leases.map((lease, index) => lease.settleRelease(outcomes[index] ?? Promise.resolve(false)));
}
