import type { LockBackend } from '../contract/backend.js';

/** Splits items so that those of one call fail together: the masters of a cluster fail apart. Order is kept. */
export function byPartition<T>(backend: LockBackend, items: readonly T[], nameOf: (item: T) => string): readonly (readonly T[])[] {
  if (backend.partition === undefined || items.length < 2) return items.length === 0 ? [] : [items];
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const partition = backend.partition(nameOf(item));
    const group = groups.get(partition);
    if (group === undefined) groups.set(partition, [item]);
    else group.push(item);
  }
  return [...groups.values()];
}
