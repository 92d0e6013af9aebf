import { type FencingToken, isLockError, type Lease, type LeaseOptions, type LockManager } from '@holdfast/core';
import type { Group } from './batch-groups.js';
import type { ForEachOptions } from './job-options.js';
import { Tries } from './tries.js';

/** What is locked in one request: so many that it costs little, and no more than are begun at once where leases end by themselves. */
const SLICE = 1_000;
/** The same of a store that did not answer in time: from so few on the slices grow again. */
const SMALL_SLICE = 100;

const NEVER = new AbortController().signal;

/** What is locked, and to be begun. */
export interface Ready<I, F extends FencingToken> {
  readonly group: Group<I>;
  readonly lease: Lease<F>;
}

/** Why something is not begun. */
export type NotBegun = { readonly outcome: 'busy' | 'done' } | { readonly outcome: 'not-started'; readonly error: unknown };

/** The items of a batch, locked a slice at a time as they can be begun. What is busy or done is settled on the way. */
export class BatchSlices<I, F extends FencingToken> implements Disposable {
  readonly #locks: LockManager<F>;
  readonly #lease: LeaseOptions;
  readonly #options: Pick<ForEachOptions<I>, 'signal' | 'retentionMs'>;
  readonly #settle: (groups: readonly Group<I>[], why: NotBegun) => void;
  readonly #waiting: Group<I>[];
  /** Of a try that was not answered. */
  readonly #unanswered = new Set<Group<I>>();
  /** Busy behind such a try: what holds them may be that try, which is yet to be undone. */
  readonly #doubtful: Group<I>[] = [];
  readonly #ready: Ready<I, F>[] = [];
  #filling: Promise<void> | null = null;
  #idle = 0;
  #isFirst = true;
  #most = SLICE;
  /** The last slice had some that were done: so the next is looked at before it is locked. */
  #expectsDone = true;
  /** The last slice had nothing to begin. */
  #isFutile = false;
  #lastTries: Tries | null = null;

  constructor(
    locks: LockManager<F>,
    lease: LeaseOptions,
    groups: readonly Group<I>[],
    options: Pick<ForEachOptions<I>, 'signal' | 'retentionMs'>,
    settle: (groups: readonly Group<I>[], why: NotBegun) => void,
  ) {
    this.#locks = locks;
    this.#lease = lease;
    this.#waiting = [...groups];
    this.#options = options;
    this.#settle = settle;
  }

  /** The next one that is locked; undefined: that was all. @throws what is thrown before any task has started */
  async take(): Promise<Ready<I, F> | undefined> {
    this.#idle += 1;
    try {
      for (;;) {
        const ready = this.#ready.shift();
        if (ready !== undefined) return ready;
        if (this.#filling === null && this.#waiting.length + this.#doubtful.length === 0) return undefined;
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

  async #fill(): Promise<void> {
    // Who ends in this turn wants work as well.
    await new Promise((resolve) => setImmediate(resolve));
    const isEnd = this.#waiting.length === 0;
    const line = isEnd ? this.#doubtful : this.#waiting;
    try {
      if (!this.#isFirst) this.#options.signal?.throwIfAborted();
      if (isEnd && !(await this.#mayBeOurs())) return this.#settle(line.splice(0), { outcome: 'busy' });
      await this.#lockSome(line);
      this.#isFutile = this.#ready.length === 0;
    } catch (error) {
      if (this.#isFirst) throw error;
      this.#settle([...this.#waiting.splice(0), ...this.#doubtful.splice(0)], { outcome: 'not-started', error });
    }
  }

  /** For one ttl; by then what was not answered has been undone, and who is busy is somebody else. */
  async #mayBeOurs(): Promise<boolean> {
    this.#lastTries ??= new Tries(this.#locks, this.#lease);
    return !this.#isFutile || (await this.#lastTries.again(this.#options.signal ?? NEVER));
  }

  /** In the midst of a batch a blip is ridden out, for at most one ttl. Before, the store may be too slow for a whole slice, and is asked once more. */
  async #lockSome(line: Group<I>[]): Promise<void> {
    const { signal = NEVER } = this.#options;
    using tries = new Tries(this.#locks, this.#lease);
    for (;;) {
      const slice = line.slice(0, this.#sliceSize);
      try {
        // oxlint-disable-next-line no-await-in-loop
        await this.#lock(slice);
        line.splice(0, slice.length);
        this.#isFirst = false;
        this.#most = Math.min(2 * this.#most, SLICE);
        return;
      } catch (error) {
        if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') || signal.aborted) throw error;
        for (const group of slice) this.#unanswered.add(group);
        this.#most = SMALL_SLICE;
        // oxlint-disable-next-line no-await-in-loop
        const isToBeAsked = this.#isFirst ? error.wasSent && slice.length > SMALL_SLICE : await tries.again(signal);
        if (!isToBeAsked) throw error;
      }
    }
  }

  /** A lease that nobody renews, or that is bounded, is to count from about the start of its item. */
  get #sliceSize(): number {
    const { renew = this.#locks.leaseDefaults.renew, maxHoldMs = this.#locks.leaseDefaults.maxHoldMs } = this.#lease;
    return renew && maxHoldMs === Number.POSITIVE_INFINITY ? this.#most : Math.min(Math.max(1, this.#idle), this.#most);
  }

  async #lock(slice: readonly Group<I>[]): Promise<void> {
    const open = this.#expectsDone ? await this.#settleDone(slice) : slice;
    const leases = await this.#locks.tryAcquireEach(
      open.map(({ name }) => name),
      this.#lease,
    );
    try {
      const locked = open.filter(({ name }) => leases.has(name));
      // Under the lock, so that nobody can be between processing an item and marking it.
      const due = await this.#settleDone(locked);
      this.#expectsDone = open.length < slice.length || due.length < locked.length;
      const busy = open.filter(({ name }) => !leases.has(name));
      this.#doubtful.push(...busy.filter((group) => this.#unanswered.has(group)));
      this.#settle(
        busy.filter((group) => !this.#unanswered.has(group)),
        { outcome: 'busy' },
      );
      for (const group of due) {
        const lease = leases.get(group.name);
        if (lease !== undefined) this.#ready.push({ group, lease });
        leases.delete(group.name);
      }
    } finally {
      await leases[Symbol.asyncDispose]();
    }
  }

  /** @returns those that are not done yet */
  async #settleDone(groups: readonly Group<I>[]): Promise<readonly Group<I>[]> {
    if (this.#options.retentionMs === undefined || groups.length === 0) return groups;
    const stands = (await this.#locks.marks?.hasEach(groups.map(({ name }) => name))) ?? [];
    this.#settle(
      groups.filter((_, index) => stands[index] === true),
      { outcome: 'done' },
    );
    return groups.filter((_, index) => stands[index] !== true);
  }

  [Symbol.dispose](): void {
    this.#lastTries?.[Symbol.dispose]();
  }
}
