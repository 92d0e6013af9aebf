import process from 'node:process';
import { systemClock } from '@holdfast/core';

/** A configuration that fetches a secret may take its time; one that hangs must be reported. */
const LONGEST_MS = 10_000;

/** What is being loaded: notified when Node has nothing left to do. One listener for all, as Node warns of many. */
const pending = new Set<(why: string) => void>();

/**
 * Loads a module whose top-level await may never end. Nothing else would tell of that: Node ends a process without a word when
 * there is nothing left to do, and with a timer of the module's own it would be waited for without an end.
 *
 * @throws Error that says so; whatever `load` throws
 */
export function loadInTime<T>(load: () => T | PromiseLike<T>, longestMs = LONGEST_MS): Promise<T> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      settle();
      reject(new Error(`its top-level await ${why}`));
    };
    const timer = systemClock.setTimer(longestMs, () => fail(`has not ended after ${longestMs / 1000} s`));
    const settle = (): void => {
      timer.cancel();
      pending.delete(fail);
      if (pending.size === 0) process.off('beforeExit', failAll);
    };
    if (pending.size === 0) process.on('beforeExit', failAll);
    pending.add(fail);
    (async () => await load())().finally(settle).then(resolve, reject);
  });
}

function failAll(): void {
  for (const fail of [...pending]) fail('never ends: nothing is left that could end it');
}
