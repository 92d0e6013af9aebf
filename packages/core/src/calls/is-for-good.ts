import { isLockError } from '../errors.js';

/**
 * Whether the store refused for a reason that waiting does not repair. A batch is refused as a whole, and the reason may lie with
 * one name of it: what is asked for alone then gets an answer of its own.
 */
export function isForGood(error: unknown): boolean {
  return isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && !error.retryable;
}

/** Whether the store failed in a way that may pass: a wait goes on. */
export function isRetryable(error: unknown): boolean {
  return isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && error.retryable;
}
