import { isLockError, LockUnavailableError } from '@holdfast/core';
import { isReply } from './redis-error.js';
import type { RedisPort } from './redis-port.js';

/** A client of a cluster that leads to no node. */
export function noMasterKnown(driver: string): LockUnavailableError {
  return new LockUnavailableError(
    'redis: no master is known: the client has not connected yet, cannot connect or was ended, or the server belongs to no cluster',
    { backend: 'redis', driver },
  );
}

/** Why the first question over a client of the user's had no answer, where the client shows more than its driver says. */
export function faultOf(port: RedisPort, error: unknown): unknown {
  if (isReply(error) || (isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && !error.retryable)) return error;
  const isCluster = port.isCluster === true;
  if (port.isReady && !(isCluster && port.masters?.().length === 0)) return error;
  if (isCluster) return noMasterKnown(port.driver);
  return new LockUnavailableError('redis: the client has no connection: it has not connected yet, cannot connect, or was ended', {
    backend: 'redis',
    driver: port.driver,
  });
}
