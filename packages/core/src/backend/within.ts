import type { Clock } from '../contract/clock.js';
import { setAnswerDeadline } from './answer-deadline.js';
import { ConnectionFault } from './connection-fault.js';

/**
 * The promise's outcome under a deadline: some promises of drivers never settle.
 *
 * @throws ConnectionFault `silent` when it takes longer than `timeoutMs`
 */
export function within<T>(clock: Clock, timeoutMs: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setAnswerDeadline(clock, timeoutMs, () => reject(new ConnectionFault('silent')));
    promise.then(
      (value) => {
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
