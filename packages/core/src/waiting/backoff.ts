import type { Clock } from '../contract/clock.js';

const FIRST_MS = 20;
const LAST_MS = 500;
/** So that a pause is a sixth of the time that was waited before, and about as long as other managers pause for this one; see `LocalTurn`. */
const GROWTH = 1.15;

/** When a waiter asks again that no message wakes: the pauses grow from the first to the last, less up to a third. */
export function backoffMs(clock: Clock, refusals: number): number {
  return Math.min(LAST_MS, FIRST_MS * GROWTH ** Math.min(refusals, 64)) * (1 - clock.random() / 3);
}

/** The longest time that a missed notification costs a waiter. */
const LONGEST_POLL_MS = 2_000;
/** So that an idle waiter costs less than one command a second however short the holder's ttl is. */
const SHORTEST_POLL_MS = 1_100;

/**
 * When a waiter that is woken by push asks again anyway: when the present hold has expired, but from the
 * third time on not more often than `SHORTEST_POLL_MS` where that hold is renewed, and at the latest after `LONGEST_POLL_MS`. Spread a little, so
 * that not all ask at once; never to a moment before the expiry, where the answer would be the same, and the next one a whole poll later.
 */
export function pollMs(clock: Clock, remainingMs: number | null, refusals: number, isUnrenewed: boolean): number {
  const expiry = remainingMs === null ? LONGEST_POLL_MS : remainingMs + 2;
  const shortest = refusals <= 2 || isUnrenewed ? 1 : SHORTEST_POLL_MS;
  const spread = clock.random() / 50;
  return Math.min(Math.max(expiry, shortest) * (1 + spread), LONGEST_POLL_MS * (1 - spread));
}
