/**
 * How much longer than its holder believes in it a hold is kept: a tenth, at least 100 ms, at most 1 s. A store with
 * sessions is told the time without it.
 */
export function guardMs(ttlMs: number): number {
  return Math.min(Math.max(Math.ceil(ttlMs / 10), 100), 1_000);
}
