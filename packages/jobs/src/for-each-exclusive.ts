import { checkValue, type FencingToken, isLockError, type Lease, type LeaseMap, type LeaseOptions, type LockManager } from '@holdfast/core';
import { type Group, groupByKey } from './batch-groups.js';
import type { ForEachOptions } from './job-options.js';
import { MarkBatch } from './mark-batch.js';
import { MarkWriter } from './mark-writer.js';
import { requireMarks } from './marked-task.js';
import { stopwatch, Tries } from './tries.js';

/** What came of one item of a batch. */
export type ForEachResult<I, T> = {
  /** The item, as it was given. */
  readonly item: I;
} & (
  | {
      readonly outcome: 'processed';
      /** What the task returned. */
      readonly value: T;
    }
  /** Locked by somebody else when its slice was locked. */
  | { readonly outcome: 'busy' }
  /** Processed before, within `retentionMs`. */
  | { readonly outcome: 'done' }
  | {
      readonly outcome: 'failed';
      /**
       * The task threw, its lease was lost (LOCK_LOST), or its mark could not be written (LOCK_BACKEND_UNAVAILABLE): in each
       * case somebody may process it again.
       */
      readonly error: unknown;
    }
  | {
      readonly outcome: 'not-started';
      /** Why it was not begun: `signal` aborted, its lease had ended, or the store did not answer. */
      readonly error: unknown;
    }
);

/** What is locked in one request: so many that it costs little, and no more than are begun at once where leases end by themselves. */
const SLICE = 1_000;

interface Ready<I, F extends FencingToken> {
  readonly group: Group<I>;
  readonly lease: Lease<F>;
}

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
  /** Locked, and to be begun. */
  readonly #ready: Ready<I, F>[] = [];
  /** What has ended and is being noted and freed, beside the tasks that run. */
  readonly #ending = new Set<Promise<void>>();
  #filling: Promise<void> | null = null;
  #idle = 0;
  #next = 0;
  /** Why nothing more is begun. */
  #stop: { readonly error: unknown } | null = null;

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
    const work = async (): Promise<void> => {
      for (let next = await this.#take(); next !== undefined; next = await this.#take()) {
        this.#end(next, await this.#process(next));
      }
    };
    await Promise.all(Array.from({ length: Math.min(this.#options.concurrency ?? 1, this.#groups.length) }, work));
    await Promise.all(this.#ending);
    return this.#results;
  }

  async #take(): Promise<Ready<I, F> | undefined> {
    this.#idle += 1;
    try {
      for (;;) {
        const ready = this.#ready.shift();
        if (ready !== undefined) return ready;
        if (this.#filling === null && this.#next === this.#groups.length) return undefined;
        this.#filling ??= this.#fill().finally(() => {
          this.#filling = null;
        });
        // oxlint-disable-next-line no-await-in-loop
        await this.#filling;
      }
    } finally {
      this.#idle -= 1;
    }
  }

  /** Locks the next slice, and makes ready what of it is free and not done yet. @throws what is thrown before any task has started */
  async #fill(): Promise<void> {
    // Who ends in this turn wants work as well.
    await new Promise((resolve) => setImmediate(resolve));
    const isFirst = this.#next === 0;
    const slice = this.#groups.slice(this.#next, this.#next + this.#sliceSize);
    const { signal } = this.#options;
    if (!isFirst && signal?.aborted === true) this.#stop ??= { error: signal.reason };
    try {
      if (this.#stop === null) await (isFirst ? this.#lock(slice) : this.#lockLater(slice));
      else this.#settle(slice, { outcome: 'not-started', error: this.#stop.error });
    } catch (error) {
      if (isFirst) throw error;
      this.#stop = { error };
      this.#settle(slice, { outcome: 'not-started', error });
    }
    this.#next += slice.length;
  }

  /** A lease that nobody renews, or that is bounded, is to count from about the start of its item. */
  get #sliceSize(): number {
    const { renew = this.#locks.leaseDefaults.renew, maxHoldMs = this.#locks.leaseDefaults.maxHoldMs } = this.#lease;
    return renew && maxHoldMs === Number.POSITIVE_INFINITY ? SLICE : Math.min(Math.max(1, this.#idle), SLICE);
  }

  /** In the midst of a batch a blip is ridden out, for at most one ttl. */
  async #lockLater(slice: readonly Group<I>[]): Promise<void> {
    const { signal = new AbortController().signal } = this.#options;
    using tries = new Tries(this.#locks, this.#lease);
    for (;;) {
      try {
        // oxlint-disable-next-line no-await-in-loop
        await this.#lock(slice);
        return;
      } catch (error) {
        // oxlint-disable-next-line no-await-in-loop
        if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') || signal.aborted || !(await tries.again(signal))) throw error;
      }
    }
  }

  async #lock(slice: readonly Group<I>[]): Promise<void> {
    const leases = await this.#locks.tryAcquireEach(
      slice.map(({ name }) => name),
      this.#lease,
    );
    try {
      await this.#freeDone(slice, leases);
    } catch (error) {
      await leases[Symbol.asyncDispose]();
      throw error;
    }
    for (const group of slice) {
      const lease = leases.get(group.name);
      if (lease !== undefined) this.#ready.push({ group, lease });
    }
  }

  /** Frees what was locked and need not be processed. */
  async #freeDone(slice: readonly Group<I>[], leases: LeaseMap<string, F>): Promise<void> {
    const locked = slice.filter(({ name }) => leases.has(name));
    this.#settle(
      slice.filter(({ name }) => !leases.has(name)),
      { outcome: 'busy' },
    );
    if (this.#writer === null || locked.length === 0) return;
    const stands = (await this.#locks.marks?.hasEach(locked.map(({ name }) => name))) ?? [];
    const done = locked.filter((_, index) => stands[index] === true);
    this.#settle(done, { outcome: 'done' });
    const freed = done.flatMap(({ name }) => leases.get(name) ?? []);
    for (const { name } of done) leases.delete(name);
    await Promise.all(freed.map((lease) => lease[Symbol.asyncDispose]()));
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

  #settle(
    groups: readonly Group<I>[],
    result: { readonly outcome: 'busy' | 'done' } | { readonly outcome: 'failed' | 'not-started'; readonly error: unknown },
  ): void {
    for (const { items } of groups) for (const { item, index } of items) this.#results[index] = { item, ...result };
  }
}

function iterable(value: unknown): string | null {
  return typeof value === 'object' && value !== null && Symbol.iterator in value ? null : 'must be an array, a Set or another iterable';
}
