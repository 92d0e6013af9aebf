import type { Clock } from '@holdfast/core';
import { ConnectionFault, within as withinKit } from '@holdfast/core/backend';
import { unavailableBecause } from './postgres-error.js';

/**
 * The promise's outcome, or a rejection that says what did not happen in time.
 *
 * @param late is handed what comes after that, to be given back
 */
export async function within<T>(
  clock: Clock,
  timeoutMs: number,
  what: string,
  promise: Promise<T>,
  late: (value: T) => void = () => {},
): Promise<T> {
  try {
    return await withinKit(clock, timeoutMs, promise);
  } catch (error) {
    if (!(error instanceof ConnectionFault)) throw error;
    promise.then(late, () => {});
    throw unavailableBecause(`${what} within ${Math.round(timeoutMs)} ms`);
  }
}
