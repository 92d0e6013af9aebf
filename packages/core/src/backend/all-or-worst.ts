import { isLockError, LockUnavailableError } from '../errors.js';
import { isForGood } from '../calls/is-for-good.js';

/**
 * Waits for all, so that no answer is left on its way when a backend answers.
 *
 * @param failureOf turns whatever was thrown into an error of the backend's; by default it is thrown as it is
 * @returns the results in the order of the promises
 * @throws of several failures the first that waiting cannot repair, or else the first; it says that nothing was sent only if that holds for all
 */
export async function allOrWorst<T>(promises: readonly Promise<T>[], failureOf: (error: unknown) => unknown = asItIs): Promise<T[]> {
  const [only] = promises;
  // One request, which nearly all are.
  if (only !== undefined && promises.length === 1) {
    try {
      return [await only];
    } catch (error) {
      throw failureOf(error);
    }
  }
  const results: T[] = [];
  const failures: unknown[] = [];
  for (const outcome of await Promise.allSettled(promises)) {
    if (outcome.status === 'fulfilled') results.push(outcome.value);
    else failures.push(failureOf(outcome.reason));
  }
  if (failures.length === 0) return results;
  const worst = failures.find(isForGood) ?? failures[0];
  throw results.length === 0 && failures.every(isUnsent) ? worst : asSent(worst);
}

function isUnsent(error: unknown): boolean {
  return isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && !error.wasSent;
}

/** Who hears that nothing was sent undoes nothing: of the other requests something was. */
function asSent(error: unknown): unknown {
  if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') || error.wasSent) return error;
  const { message, backend, lockName, retryable, cause, driver } = error;
  return new LockUnavailableError(message, { backend, lockName, retryable, cause, driver });
}

function asItIs(error: unknown): unknown {
  return error;
}
