import type { Clock } from '@holdfast/core';
import { unavailableBecause } from './postgres-error.js';

/**
 * The promise's outcome, or a rejection when it takes too long: some promises of drivers never settle.
 *
 * @param late is handed what comes after that, to be given back
 */
export function within<T>(
  clock: Clock,
  timeoutMs: number,
  what: string,
  promise: Promise<T>,
  late: (value: T) => void = () => {},
): Promise<T> {
  return new Promise((resolve, reject) => {
    let isOver = false;
    const timer = clock.setTimer(timeoutMs, () => {
      isOver = true;
      reject(unavailableBecause(`${what} within ${timeoutMs} ms`));
    });
    promise.then(
      (value) => {
        if (isOver) return late(value);
        timer.cancel();
        resolve(value);
      },
      (error: unknown) => {
        timer.cancel();
        reject(error);
      },
    );
  });
}
