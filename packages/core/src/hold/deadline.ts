import type { Stamp } from '../contract/backend.js';
import type { Held } from './hold-state.js';

/** Renewals and retries of one manager are at least this far apart, so that many share one request. */
export const BATCH_GAP_MS = 10;

/** The later of both, on each clock. */
export function later(a: Stamp, b: Stamp): Stamp {
  return { now: Math.max(a.now, b.now), wall: Math.max(a.wall, b.wall) };
}

/** The rest of a hold by the clock alone, in ms; 0 or less says that the deadline has passed. */
export function remainingMs(held: Held, now: Stamp): number {
  const { deadline, capMs, grant, hold } = held;
  const left = Math.min(deadline.now - now.now, deadline.wall - now.wall);
  const limit = Math.min(capMs, hold.plan.maxHoldMs);
  return limit === Number.POSITIVE_INFINITY ? left : Math.min(left, limit - elapsedMs(grant.stamp, now));
}

/** Whether the hold has stood for as long as `maxHoldMs` allows. */
export function isAtMaxHold({ hold, grant }: Held, now: Stamp): boolean {
  return hold.plan.maxHoldMs !== Number.POSITIVE_INFINITY && elapsedMs(grant.stamp, now) >= hold.plan.maxHoldMs;
}

/** Renewal at a third. Times are rounded down to a grain, so that holds taken at about the same time share a batch. */
export function nextRenewalAt(from: number, beliefMs: number): number {
  const interval = beliefMs / 3;
  const grain = Math.min(Math.max(interval / 10, BATCH_GAP_MS), 1_000);
  const at = from + interval;
  const rounded = Math.floor(at / grain) * grain;
  return rounded > from ? rounded : at;
}

/** The larger of the monotonic and the wall difference; see `elapsedSince`. */
function elapsedMs(since: Stamp, now: Stamp): number {
  return Math.max(now.now - since.now, now.wall - since.wall);
}
