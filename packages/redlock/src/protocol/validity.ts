/** For how long nodes and clients may drift apart during a hold, in milliseconds; 2 for the grain of Redis expiry. */
export function driftMs(ttlMs: number, driftFactor: number): number {
  return Math.ceil(ttlMs * driftFactor) + 2;
}

/**
 * What a node is asked to keep a hold for that core asks for `ttlMs`: that includes core's guard time already, which covers the drift unless
 * the time is long.
 */
export function nodeTtlMs(ttlMs: number, driftFactor: number): number {
  const guard = Math.min(1000, Math.floor(ttlMs / 11));
  return ttlMs + Math.max(0, driftMs(ttlMs, driftFactor) - guard);
}

/**
 * The rest of a hold when its last vote came: the time that was asked for, less what has passed since before the
 * first node was asked, less the drift. Not positive: it must not be believed.
 */
export function validityMs(ttlMs: number, elapsedMs: number, drift: number): number {
  return ttlMs - elapsedMs - drift;
}

/** How validity is computed; the simulator puts a wrong one in its place to see it caught. */
export type ValidityRule = typeof validityMs;

/** As core's guard time: by so much the store keeps a hold longer than its holder believes in it. */
function guardMs(ttlMs: number): number {
  return Math.min(Math.max(Math.ceil(ttlMs / 10), 100), 1000);
}

/** For how long a node that may have forgotten holds abstains: longer than any holder can believe in one. */
export function quarantineMs(maxTtlMs: number): number {
  return maxTtlMs + guardMs(maxTtlMs);
}

/** How far a node lets a client's clock pull its counter away from its own clock, in microseconds. */
export function hintBoundMicros(maxTtlMs: number): number {
  return Math.floor(maxTtlMs / 8) * 1000;
}
