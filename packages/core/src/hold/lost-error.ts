import type { FencingToken } from '../contract/lease.js';
import { LockLostError, type LostReason } from '../errors.js';

const explanations: Readonly<Record<LostReason, string>> = {
  deadline: 'its deadline passed without a renewal that the store confirmed in time',
  taken: 'the store says that it is no longer ours: it expired, or was taken or deleted',
  forced: 'it was released by force',
  session: 'the session that held it ended',
  closed: 'the manager was closed',
  'max-hold': 'it was held for maxHoldMs',
  released: 'it was released',
};

/** The error of a lost or ended hold, in the same words everywhere. */
export function lostError(
  reason: LostReason,
  where: { readonly lockName: string; readonly backend: string; readonly fencingToken: FencingToken },
): LockLostError {
  const verb = reason === 'released' ? 'is not held' : 'was lost';
  return new LockLostError(`${JSON.stringify(where.lockName)} ${verb}: ${explanations[reason]}`, { ...where, reason });
}
