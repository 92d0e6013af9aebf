import { checkValue, type FencingToken, type Lease, type LeaseMap, type LeaseOptions, type LockManager } from '@holdfast/core';
import { jobName } from './job-names.js';
import type { ForEachOptions } from './job-options.js';
import { markUnder, requireMarks } from './marked-task.js';

/** What came of one item of a batch. */
export type ForEachResult<I, T> =
  | { readonly item: I; readonly outcome: 'processed'; readonly value: T }
  /** Locked by somebody else. */
  | { readonly item: I; readonly outcome: 'busy' }
  /** Processed before, within `retentionMs`. */
  | { readonly item: I; readonly outcome: 'done' }
  /**
   * The task threw, its lease was lost (LOCK_LOST), or its mark could not be written (LOCK_BACKEND_UNAVAILABLE): in each
   * case somebody may process it again.
   */
  | { readonly item: I; readonly outcome: 'failed'; readonly error: unknown }
  /** `signal` aborted before it was started. */
  | { readonly item: I; readonly outcome: 'not-started' };

/** The items of one key, which share a lease, with their places in the answer. */
interface Group<I> {
  readonly name: string;
  readonly items: { readonly item: I; readonly index: number }[];
}

/** See `JobLockManager.forEachExclusive`. */
export async function forEachExclusive<I, T, F extends FencingToken>(
  locks: LockManager<F>,
  lease: LeaseOptions,
  items: Iterable<I>,
  options: ForEachOptions<I>,
  task: (item: I, lease: Lease<F>) => T | PromiseLike<T>,
): Promise<readonly ForEachResult<I, T>[]> {
  const { retentionMs, concurrency = 1, signal } = options;
  const marks = retentionMs === undefined ? null : requireMarks(locks, 'forEachExclusive with retentionMs');
  const groups = groupByKey(items, options);
  const results: ForEachResult<I, T>[] = [];
  const settle = (group: Group<I>, outcome: 'busy' | 'done' | 'not-started'): void => {
    for (const { item, index } of group.items) results[index] = { item, outcome };
  };
  const leases = await locks.tryAcquireEach(
    groups.map(({ name }) => name),
    { ...lease, waitMs: undefined },
  );
  try {
    const locked = groups.filter((group) => leases.has(group.name));
    const isDone = await Promise.all(locked.map(async ({ name }) => marks !== null && (await marks.has(name))));
    for (const group of groups) settle(group, 'busy');
    const queue: Group<I>[] = [];
    for (const [index, group] of locked.entries()) {
      if (isDone[index] === true) settle(group, 'done');
      else queue.push(group);
    }
    await freeDone(leases, new Set(queue.map(({ name }) => name)));
    const work = async (): Promise<void> => {
      for (let group = queue.shift(); group !== undefined; group = queue.shift()) {
        const held = leases.get(group.name);
        if (held === undefined) continue;
        if (signal?.aborted === true) settle(group, 'not-started');
        else {
          // oxlint-disable-next-line no-await-in-loop
          await processGroup(group, held, task, results, async () => {
            if (marks !== null && retentionMs !== undefined) await markUnder(held, marks, group.name, retentionMs);
          });
        }
        leases.delete(group.name);
        // oxlint-disable-next-line no-await-in-loop
        await held[Symbol.asyncDispose]();
      }
    };
    await Promise.all(Array.from({ length: Math.min(concurrency, queue.length) }, work));
  } finally {
    await leases[Symbol.asyncDispose]();
  }
  return results;
}

/** The items of one key, one after another; each is looked after for itself, and the mark is for all of them. */
async function processGroup<I, T, F extends FencingToken>(
  group: Group<I>,
  lease: Lease<F>,
  task: (item: I, lease: Lease<F>) => T | PromiseLike<T>,
  results: ForEachResult<I, T>[],
  mark: () => Promise<void>,
): Promise<void> {
  let hasFailed = false;
  for (const { item, index } of group.items) {
    try {
      lease.assertHeld();
      // oxlint-disable-next-line no-await-in-loop
      const value = await task(item, lease);
      lease.assertHeld();
      results[index] = { item, outcome: 'processed', value };
    } catch (error) {
      hasFailed = true;
      results[index] = { item, outcome: 'failed', error };
    }
  }
  if (hasFailed) return;
  try {
    await mark();
  } catch (error) {
    for (const { item, index } of group.items) results[index] = { item, outcome: 'failed', error };
  }
}

/** Frees what was locked and need not be processed. */
async function freeDone<F extends FencingToken>(leases: LeaseMap<string, F>, needed: ReadonlySet<string>): Promise<void> {
  const done = [...leases.values()].filter(({ name }) => !needed.has(name));
  for (const { name } of done) leases.delete(name);
  await Promise.all(done.map((lease) => lease[Symbol.asyncDispose]()));
}

function groupByKey<I>(items: Iterable<I>, options: ForEachOptions<I>): readonly Group<I>[] {
  const { job = 'default', key } = options;
  checkValue('forEachExclusive', 'items', items, iterable);
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

function iterable(value: unknown): string | null {
  return typeof value === 'object' && value !== null && Symbol.iterator in value ? null : 'must be an array, a Set or another iterable';
}
