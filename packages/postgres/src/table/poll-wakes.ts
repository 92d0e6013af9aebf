import type { Clock } from '@holdfast/core';

const FIRST_MS = 30;
/** So that an idle waiter costs less than a statement a second. */
export const LAST_MS = 1_500;
const GROWTH = 2;

/** Wakes one waiter from time to time. */
export interface Polling {
  /** It may be worth while to ask at this time, if that is sooner. */
  atLatestIn(ms: number): void;
  close(): void;
}

/**
 * Wakes a waiter again and again, ever more seldom: a pooler in between passes no notifications on. The pauses vary by
 * up to a third, so that many who began together do not go on together.
 */
export function pollWakes(clock: Clock, wake: () => void): Polling {
  let pauseMs = FIRST_MS;
  let due = Number.POSITIVE_INFINITY;
  let timer = { cancel(): void {} };
  const set = (ms: number): void => {
    timer.cancel();
    due = clock.now() + ms;
    timer = clock.setTimer(ms, () => {
      next();
      wake();
    });
  };
  const next = (): void => {
    set(pauseMs * (1 - clock.random() / 3));
    pauseMs = Math.min(pauseMs * GROWTH, LAST_MS);
  };
  next();
  return {
    atLatestIn: (ms) => {
      if (clock.now() + ms < due) set(ms);
    },
    close: () => timer.cancel(),
  };
}
