import type { Stamp } from '../contract/backend.js';
import type { Clock } from '../contract/clock.js';

/** Both readings of the clock, to be taken before a request is queued. */
export function stampOf(clock: Clock): Stamp {
  return { now: clock.now(), wall: clock.wall() };
}

/**
 * Milliseconds since the stamp: the larger of the monotonic and the wall difference. A monotonic clock may stand
 * still while the machine is suspended, a wall clock may be set back; a holder must not gain time by either.
 */
export function elapsedSince(clock: Clock, stamp: Stamp): number {
  return Math.max(clock.now() - stamp.now, clock.wall() - stamp.wall);
}
