import type { ForEachOptions } from './job-options.js';
import { jobName } from './job-names.js';

/** The items of one key, which share a lease, with their places in the answer. */
export interface Group<I> {
  readonly name: string;
  readonly items: { readonly item: I; readonly index: number }[];
}

/** @throws LockArgumentError LOCK_INVALID_ARGUMENT for a key that is no name; whatever `key` throws */
export function groupByKey<I>(items: Iterable<I>, { job = 'default', key }: ForEachOptions<I>): readonly Group<I>[] {
  const groups = new Map<string, Group<I>>();
  let index = 0;
  for (const item of items) {
    const name = jobName('forEachExclusive', 'batch', { job, key: key(item) });
    let group = groups.get(name);
    if (group === undefined) {
      group = { name, items: [] };
      groups.set(name, group);
    }
    group.items.push({ item, index });
    index += 1;
  }
  return [...groups.values()];
}
