import { checkValue, type FencingToken, type Lease, type LeaseOptions, type LockManager } from '@holdfast/core';
import { type Group, groupByKey } from './batch-groups.js';
import { BatchSlices, type NotBegun, type Ready } from './batch-slices.js';
import type { ForEachOptions } from './job-options.js';
import { MarkBatch } from './mark-batch.js';
import { MarkWriter } from './mark-writer.js';
import { requireMarks } from './marked-task.js';
import { stopwatch } from './tries.js';

/** What came of one item of a batch. */
export type ForEachResult<I, T> =
  | { readonly item: I; readonly outcome: 'processed'; readonly value: T }
  /** Locked by somebody else when its slice was locked. */
  | { readonly item: I; readonly outcome: 'busy' }
  /** Processed before, within `retentionMs`. */
  | { readonly item: I; readonly outcome: 'done' }
  /**
   * The task threw, its lease was lost (LOCK_LOST), or its mark could not be written (LOCK_BACKEND_UNAVAILABLE): in each
   * case somebody may process it again.
   */
  | { readonly item: I; readonly outcome: 'failed'; readonly error: unknown }
  /** Before it was begun `signal` aborted, its lease had ended, or the store did not answer; `error` says which of them. */
  | { readonly item: I; readonly outcome: 'not-started'; readonly error: unknown };

/** See `JobLockManager.forEachExclusive`. */
export async function forEachExclusive<I, T, F extends FencingToken>(
  locks: LockManager<F>,
  lease: LeaseOptions,
  items: Iterable<I>,
  options: ForEachOptions<I>,
  task: (item: I, lease: Lease<F>) => T | PromiseLike<T>,
): Promise<readonly ForEachResult<I, T>[]> {
  const { retentionMs } = options;
  checkValue('forEachExclusive', 'items', items, iterable);
  const marks = retentionMs === undefined ? null : requireMarks(locks, 'forEachExclusive with retentionMs');
  return await new Batch(locks, lease, groupByKey(items, options), options, marks === null ? null : new MarkBatch(marks), task).run();
}

class Batch<I, T, F extends FencingToken> {
  readonly #locks: LockManager<F>;
  readonly #lease: LeaseOptions;
  readonly #groups: readonly Group<I>[];
  readonly #options: ForEachOptions<I>;
  readonly #task: (item: I, lease: Lease<F>) => T | PromiseLike<T>;
  readonly #writer: MarkWriter<F> | null;
  readonly #results: ForEachResult<I, T>[] = [];
  /** What has ended and is being noted and freed, beside the tasks that run. */
  readonly #ending = new Set<Promise<void>>();

  constructor(
    locks: LockManager<F>,
    lease: LeaseOptions,
    groups: readonly Group<I>[],
    options: ForEachOptions<I>,
    marks: MarkBatch | null,
    task: (item: I, lease: Lease<F>) => T | PromiseLike<T>,
  ) {
    this.#locks = locks;
    this.#lease = lease;
    this.#groups = groups;
    this.#options = options;
    this.#task = task;
    this.#writer = marks === null ? null : new MarkWriter(locks, (name, mark) => marks.set(name, mark));
  }

  async run(): Promise<readonly ForEachResult<I, T>[]> {
    using slices = new BatchSlices(this.#locks, this.#lease, this.#groups, this.#options, (groups, why) => this.#settle(groups, why));
    const work = async (): Promise<void> => {
      for (let next = await slices.take(); next !== undefined; next = await slices.take()) {
        this.#end(next, await this.#process(next));
      }
    };
    await Promise.all(Array.from({ length: Math.min(this.#options.concurrency ?? 1, this.#groups.length) }, work));
    await Promise.all(this.#ending);
    return this.#results;
  }

  /** The items of one key, one after another; each is looked after for itself. @returns whether all of them are done */
  async #process({ group, lease }: Ready<I, F>): Promise<boolean> {
    const { signal } = this.#options;
    let isDone = true;
    for (const { item, index } of group.items) {
      if (signal?.aborted === true || !lease.isHeld) {
        const error: unknown = signal?.aborted === true ? signal.reason : lease.signal.reason;
        this.#results[index] = { item, outcome: 'not-started', error };
        isDone = false;
        continue;
      }
      try {
        // oxlint-disable-next-line no-await-in-loop
        const value = await this.#task(item, lease);
        lease.assertHeld();
        this.#results[index] = { item, outcome: 'processed', value };
      } catch (error) {
        isDone = false;
        this.#results[index] = { item, outcome: 'failed', error };
      }
    }
    return isDone;
  }

  /** Notes and frees beside the tasks, so that what ends at the same time is noted and freed in one request. */
  #end(ended: Ready<I, F>, isDone: boolean): void {
    const ending = this.#noteAndFree(ended, isDone).finally(() => this.#ending.delete(ending));
    this.#ending.add(ending);
  }

  async #noteAndFree({ group, lease }: Ready<I, F>, isDone: boolean): Promise<void> {
    const { retentionMs = 0 } = this.#options;
    try {
      if (isDone && this.#writer !== null) {
        const sinceMs = stopwatch(this.#locks.clock);
        const order = { name: group.name, outcome: 'succeeded', retentionMs: () => retentionMs - sinceMs() } as const;
        await this.#writer.write({ lease, options: this.#lease }, order);
      }
    } catch (error) {
      this.#settle([group], { outcome: 'failed', error });
    } finally {
      await lease[Symbol.asyncDispose]();
    }
  }

  #settle(groups: readonly Group<I>[], result: NotBegun | { readonly outcome: 'failed'; readonly error: unknown }): void {
    for (const { items } of groups) for (const { item, index } of items) this.#results[index] = { item, ...result };
  }
}

function iterable(value: unknown): string | null {
  return typeof value === 'object' && value !== null && Symbol.iterator in value ? null : 'must be an array, a Set or another iterable';
}
