import { performance } from 'node:perf_hooks';
import { clearTimeout, setTimeout } from 'node:timers';
import type { Clock } from './contract/clock.js';

// Captured at load: a test's fake timers replace these functions later, which must not stop a lease's deadline.
const set = setTimeout;
const clear = clearTimeout;
const monotonic = performance.now.bind(performance);
const wall = Date.now;
const random = Math.random;

/** The machine's clock: `performance.now`, `Date.now` and unref'd timers, as they were when the module was loaded. */
export const systemClock: Clock = Object.freeze({
  now: monotonic,
  wall,
  setTimer(delayMs: number, fire: () => void) {
    const timer = set(fire, Math.min(Math.max(delayMs, 0), 2 ** 31 - 1));
    timer.unref();
    return { cancel: () => clear(timer) };
  },
  random: () => random(),
});
