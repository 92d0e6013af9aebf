/**
 * The holder's ttl in what core tells a store: ttl + guard, guard being a tenth from 100 ms to 1 s. Each side adds its
 * own guard again, so that a dead holder's lock is not kept for two of them.
 */
export function holderTtlMs(storeTtlMs: number): number {
  if (storeTtlMs <= 1_100) return Math.max(1, storeTtlMs - 100);
  if (storeTtlMs >= 11_000) return storeTtlMs - 1_000;
  return Math.floor((storeTtlMs * 10) / 11);
}
