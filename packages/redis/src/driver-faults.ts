import { LockUnavailableError } from '@holdfast/core';

/** A client of a cluster that has not connected yet. */
export function noMasterKnown(): LockUnavailableError {
  return new LockUnavailableError('redis: no master of the cluster is known yet', { backend: 'redis' });
}
