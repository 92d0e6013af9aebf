import type { FencingToken } from '../contract/lease.js';
import type { AnyLockError } from '../errors.js';
import { HeldLease, type LeaseServices } from './held-lease.js';

/**
 * Frees several leases in one batch, in the order given.
 *
 * @returns how many of them it freed, once all were answered; rejects when one was not
 */
export function releaseLeases<F extends FencingToken>(
  leases: readonly HeldLease<F>[],
  { holds, unusedTokens }: LeaseServices,
): Promise<number> {
  const all = leases.map((lease) => HeldLease.holdOf(lease));
  if (unusedTokens !== null) for (const lease of leases) unusedTokens.ended(lease);
  holds.release(all);
  // Not a promise for each: a batch has thousands.
  return new Promise((resolve, reject) => {
    let [missing, freed] = [all.length, 0];
    let failure: AnyLockError | null = null;
    if (missing === 0) resolve(0);
    for (const hold of all) {
      hold.whenReleased((outcome) => {
        missing -= 1;
        if ('error' in outcome) failure ??= outcome.error;
        else if (outcome.wasOurs) freed += 1;
        if (missing > 0) return;
        if (failure === null) resolve(freed);
        else reject(failure);
      });
    }
  });
}
