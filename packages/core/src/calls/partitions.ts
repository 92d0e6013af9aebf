import type { LockBackend } from '../contract/backend.js';
import { groupBy } from '../groups.js';

/** Splits items so that those of one call fail together: the masters of a cluster fail apart. Order is kept. */
export function byPartition<T>(backend: LockBackend, items: readonly T[], nameOf: (item: T) => string): readonly (readonly T[])[] {
  if (backend.partition === undefined || items.length < 2) return items.length === 0 ? [] : [items];
  return [...groupBy(items, (item) => backend.partition?.(nameOf(item))).values()];
}
