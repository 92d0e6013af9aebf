import type { Clock } from '@holdfast/core';

const FIRST_MS = 30;
/** So that an idle waiter costs less than a statement a second. */
const LAST_MS = 1_500;
const GROWTH = 2;

/**
 * Wakes a waiter again and again, ever more seldom: a pooler in between passes no notifications on. The pauses vary by
 * up to a third, so that many who began together do not go on together.
 */
export function pollWakes(clock: Clock, wake: () => void): { close(): void } {
  let pauseMs = FIRST_MS;
  let timer = { cancel(): void {} };
  const next = (): void => {
    timer = clock.setTimer(pauseMs * (1 - clock.random() / 3), () => {
      next();
      wake();
    });
    pauseMs = Math.min(pauseMs * GROWTH, LAST_MS);
  };
  next();
  return { close: () => timer.cancel() };
}
