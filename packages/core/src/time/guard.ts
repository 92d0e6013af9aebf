/**
 * How much longer than the holder believes the store keeps a hold: a tenth, at least 100 ms, at most 1 s. It covers
 * the drift between the two clocks and the time that a holder needs to hear its own timer.
 */
export function guardMs(ttlMs: number): number {
  return Math.min(Math.max(Math.ceil(ttlMs / 10), 100), 1000);
}
