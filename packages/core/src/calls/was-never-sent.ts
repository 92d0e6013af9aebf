import { isLockError } from '../errors.js';

/**
 * Whether a backend says that a request never left this process. What a store behind another says of itself (`both` of a
 * migration) says nothing of the other.
 */
export function wasNeverSent(error: unknown, backend: string): boolean {
  return isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && !error.wasSent && error.backend === backend;
}
