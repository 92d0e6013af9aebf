import type { Clock } from '@holdfast/core';

/** As often a waiter asks while the name changes hands: who hands on within a manager pauses for longer than this. */
const FIRST_MS = 30;
/** So that an idle waiter costs less than a statement a second. */
export const LAST_MS = 1_500;
const GROWTH = 2;
/** Two pauses back: a name that changes hands once is asked for twice more. */
const SHRINKAGE = GROWTH ** 2;

/** Wakes one waiter from time to time. */
export interface Polling {
  /** It may be worth while to ask at this time, if that is sooner. */
  atLatestIn(ms: number): void;
  /** A request was refused. @param latest another text for each grant of the name; null where there was none */
  refused(latest: string | null): void;
  close(): void;
}

/**
 * Wakes a waiter again and again: a pooler in between passes no notifications on. The pauses grow while nobody else is granted the name,
 * and shrink when somebody was: who waits behind one long hold asks seldom, and who waits for a name that goes from hand to hand asks
 * often enough to get it. The pauses vary by up to a third, so that many who began together do not go on together.
 */
export function pollWakes(clock: Clock, wake: () => void): Polling {
  let pauseMs = FIRST_MS;
  let due = Number.POSITIVE_INFINITY;
  let timer = { cancel(): void {} };
  let seen: string | null | undefined;
  const set = (ms: number): void => {
    timer.cancel();
    due = clock.now() + ms;
    timer = clock.setTimer(ms, () => {
      pauseMs = Math.min(pauseMs * GROWTH, LAST_MS);
      set(spread());
      wake();
    });
  };
  const spread = (): number => pauseMs * (1 - clock.random() / 3);
  const atLatestIn = (ms: number): void => {
    if (clock.now() + ms < due) set(ms);
  };
  set(spread());
  return {
    atLatestIn,
    refused: (latest) => {
      const hasChangedHands = seen !== undefined && latest !== seen;
      seen = latest;
      if (!hasChangedHands) return;
      pauseMs = Math.max(FIRST_MS, pauseMs / SHRINKAGE);
      atLatestIn(spread());
    },
    close: () => timer.cancel(),
  };
}
