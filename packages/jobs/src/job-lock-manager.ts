import {
  checkValue,
  type FencingToken,
  isLockError,
  type Lease,
  type LeaseOptions,
  type LockManager,
  rule,
  type Task,
} from '@holdfast/core';
import { Claims } from './claims.js';
import { type ForEachResult, forEachExclusive } from './for-each-exclusive.js';
import { ElementLocks } from './element-locks.js';
import { periodRetentionMs, readWindow } from './calendar.js';
import { forget, type JobMark, type JobTarget, markOf, runMarkName } from './job-marks.js';
import { jobName } from './job-names.js';
import {
  checkWindow,
  type ForEachOptions,
  type JobLockOptions,
  leaseOptions,
  type ProcessOnceOptions,
  readJobOptions,
  type RunOnceOptions,
} from './job-options.js';
import { MarkWriter } from './mark-writer.js';
import { type Marked, type MarkPlan, type Marking, requireMarks, runUnlessMarked } from './marked-task.js';

const DAY_MS = 86_400_000;

/** What `runOnce` answers. Not to run is a value; that the store is out of reach is a rejection. */
export type RunOnceResult<T> =
  | {
      readonly ran: true;
      /** What the task returned. */
      readonly value: T;
    }
  | {
      readonly ran: false;
      /** `busy`: it runs elsewhere now. `not-due`: it has run in this window. */
      readonly because: 'busy' | 'not-due';
    };

/** What `processOnce` answers. Acknowledge a message that ran or is `done`; one that is `busy` may yet fail elsewhere. */
export type ProcessOnceResult<T> =
  | {
      readonly ran: true;
      /** What the task returned. */
      readonly value: T;
    }
  | {
      readonly ran: false;
      /** `busy`: another consumer has it now. `done`: it was processed before. */
      readonly because: 'busy' | 'done';
    };

/**
 * Locks for scheduled jobs and message consumers that run on several servers. When the store does not answer,
 * calls reject with LOCK_BACKEND_UNAVAILABLE, and nothing runs.
 */
export interface JobLockManager<F extends FencingToken = FencingToken> {
  /**
   * Locks one element of a job for this process, without waiting. Rejects with LOCK_LOST when the store took longer than
   * the lease to say whether it is marked.
   *
   * @returns false when it is locked, here or elsewhere, or marked as processed. An element whose lease was lost stays
   *   locked in this manager until its flow called `unlock` or `successfullyProcessed`: that flow may still be running.
   */
  lock(job: string, element: string): Promise<boolean>;
  /**
   * Frees the element without a mark: it may be processed again.
   *
   * @returns false when there was nothing to free: never locked, or freed already (by `successfullyProcessed`)
   * @throws LockLostError LOCK_LOST when the lease was lost meanwhile
   */
  unlock(job: string, element: string): Promise<boolean>;
  /**
   * Marks the element as processed, so that no server does it again within `retentionMs`, and frees it. Rejects with
   * LOCK_BACKEND_UNAVAILABLE when the mark could not be written; the element is then still locked, and the call may be repeated.
   *
   * @throws LockLostError LOCK_LOST when the lease was lost meanwhile; no mark is written, unless the lease ended while the store
   *   did not answer the very request for it (the error's `cause`)
   * @throws LockUnsupportedError LOCK_UNSUPPORTED where the backend has no marks
   * @throws LockArgumentError LOCK_INVALID_ARGUMENT when this manager has not locked the element
   */
  successfullyProcessed(job: string, element: string): Promise<void>;
  /** The lease of an element that this manager has locked, with its signal and fencing token; else null. */
  leaseOf(job: string, element: string): Lease<F> | null;

  /**
   * Runs `task` once a window, or once in each period of a calendar, over all instances.
   *
   * @throws what the task throws; LOCK_LOST when its lease was lost while it ran; then there is no mark, except for `at-most-once`
   * @throws LockUnsupportedError LOCK_UNSUPPORTED where the backend has no marks
   */
  runOnce<T>(name: string, options: RunOnceOptions, task: Task<Lease<F>, T>): Promise<RunOnceResult<T>>;
  /**
   * Processes each message by one consumer, once.
   *
   * @throws what the task throws, and the message may then be processed again; LOCK_LOST, LOCK_UNSUPPORTED like `runOnce`
   */
  processOnce<T>(messageId: string, task: Task<Lease<F>, T>): Promise<ProcessOnceResult<T>>;
  /** The same with options: which consumer, how long it is remembered. */
  processOnce<T>(messageId: string, options: ProcessOnceOptions, task: Task<Lease<F>, T>): Promise<ProcessOnceResult<T>>;
  /**
   * Locks the items of a batch that are free, and processes only these.
   *
   * @returns what came of each item, in their order. A task's failure is a result; it does not stop the others.
   * @throws LockUnavailableError LOCK_BACKEND_UNAVAILABLE before any task has started, when the store does not answer
   */
  forEachExclusive<I, T>(
    items: Iterable<I>,
    options: ForEachOptions<I>,
    task: (item: I, lease: Lease<F>) => T | PromiseLike<T>,
  ): Promise<readonly ForEachResult<I, T>[]>;

  /**
   * The mark of work that is not due: whether it succeeded, failed a moment ago, or was begun with `at-most-once`,
   * when, and by whom. null when the work is due. By the store's clock; a mark is gone when its window is over.
   *
   * @throws LockUnsupportedError LOCK_UNSUPPORTED where the backend has no marks, or cannot tell
   */
  markOf(target: JobTarget): Promise<JobMark | null>;
  /**
   * Forgets that work was done, so that it is due. A run that is under way is left alone, and its mark is written at its end.
   *
   * @returns whether there was something to forget
   * @throws LockUnsupportedError LOCK_UNSUPPORTED where the backend has no marks, or cannot delete a mark
   */
  forget(target: JobTarget): Promise<boolean>;
}

class Jobs<F extends FencingToken> implements JobLockManager<F> {
  readonly #locks: LockManager<F>;
  readonly #options: JobLockOptions;
  readonly #retentionMs: number;
  readonly #claims: Claims;
  readonly #writer: MarkWriter<F> | null;
  readonly #elements: ElementLocks<F>;

  constructor(locks: LockManager<F>, options: JobLockOptions) {
    const { marks } = locks;
    this.#locks = locks;
    this.#options = options;
    this.#retentionMs = options.retentionMs ?? DAY_MS;
    this.#claims = new Claims(locks);
    this.#writer = marks === null ? null : new MarkWriter(locks, (name, mark) => marks.set(name, mark));
    this.#elements = new ElementLocks(locks, this.#writer, leaseOptions(undefined, options), options.lockAtLeastMs ?? 0);
  }

  async lock(job: string, element: string): Promise<boolean> {
    return await this.#elements.lock(jobName('lock', 'job', { job, element }));
  }

  async unlock(job: string, element: string): Promise<boolean> {
    return await this.#elements.unlock(jobName('unlock', 'job', { job, element }));
  }

  async successfullyProcessed(job: string, element: string): Promise<void> {
    await this.#elements.complete(jobName('successfullyProcessed', 'job', { job, element }), this.#retentionMs);
  }

  leaseOf(job: string, element: string): Lease<F> | null {
    return this.#elements.leaseOf(jobName('leaseOf', 'job', { job, element }));
  }

  async runOnce<T>(name: string, given: RunOnceOptions, task: Task<Lease<F>, T>): Promise<RunOnceResult<T>> {
    const lockName = jobName('runOnce', 'once', { name });
    const read = readJobOptions('runOnce', given);
    const options = { ...read, window: readWindow('runOnce', 'window', read.window) };
    checkWindow(options);
    checkValue('runOnce', 'task', task, rule.function);
    const { windowMs = 0, window, lockAtLeastMs = 0, guarantee = 'at-least-once' } = options;
    const plan: MarkPlan = {
      lock: lockName,
      name: runMarkName('runOnce', name, window, this.#locks.clock.wall()),
      guarantee,
      retentionMs: (elapsedMs) => (window === undefined ? windowMs - elapsedMs : periodRetentionMs(window)),
      failedRetentionMs: (elapsedMs) => lockAtLeastMs - elapsedMs,
    };
    const marked = await this.#runMarked(this.#marking('runOnce'), plan, leaseOptions(options, this.#options), task);
    if (marked === null) return { ran: false, because: 'busy' };
    return marked.isMarked ? { ran: false, because: 'not-due' } : { ran: true, value: marked.value };
  }

  async processOnce<T>(
    messageId: string,
    ...args: [Task<Lease<F>, T>] | [ProcessOnceOptions, Task<Lease<F>, T>]
  ): Promise<ProcessOnceResult<T>> {
    const [given, task] = args.length === 1 ? [undefined, args[0]] : args;
    const options = readJobOptions<ProcessOnceOptions>('processOnce', given);
    const { consumer = 'default', guarantee = 'at-least-once', retentionMs = this.#retentionMs } = options;
    const lockName = jobName('processOnce', 'message', { consumer, messageId });
    checkValue('processOnce', 'task', task, rule.function);
    // Remembered from when it was done: a task may take longer than that.
    const doneMs = (elapsedMs: number): number => {
      doneAfterMs ??= elapsedMs;
      return retentionMs - (elapsedMs - doneAfterMs);
    };
    let doneAfterMs: number | undefined;
    const plan: MarkPlan = { lock: lockName, name: lockName, guarantee, retentionMs: doneMs, failedRetentionMs: () => 0 };
    const marked = await this.#runMarked(this.#marking('processOnce'), plan, leaseOptions(options, this.#options), task);
    if (marked === null) return { ran: false, because: 'busy' };
    return marked.isMarked ? { ran: false, because: 'done' } : { ran: true, value: marked.value };
  }

  async forEachExclusive<I, T>(
    items: Iterable<I>,
    given: ForEachOptions<I>,
    task: (item: I, lease: Lease<F>) => T | PromiseLike<T>,
  ): Promise<readonly ForEachResult<I, T>[]> {
    const options = readJobOptions('forEachExclusive', given, 'key');
    checkValue('forEachExclusive', 'task', task, rule.function);
    return await forEachExclusive(this.#locks, leaseOptions(options, this.#options), items, options, task);
  }

  async markOf(target: JobTarget): Promise<JobMark | null> {
    return await markOf(this.#locks, target);
  }

  async forget(target: JobTarget): Promise<boolean> {
    return await forget(this.#locks, this.#claims, target);
  }

  #marking(what: string): Marking<F> {
    const marks = requireMarks(this.#locks, what);
    const writer = this.#writer ?? new MarkWriter(this.#locks, (name, mark) => marks.set(name, mark));
    return { locks: this.#locks, marks, writer, claims: this.#claims, onMarkFailed: (error, name) => this.#onMarkFailed(error, name) };
  }

  /** null: somebody else has the lock. */
  async #runMarked<T>(marking: Marking<F>, plan: MarkPlan, options: LeaseOptions, task: Task<Lease<F>, T>): Promise<Marked<T> | null> {
    let noted: Marked<T> | null = null;
    try {
      const result = await this.#locks.tryWithLock(plan.lock, options, async (lease) => {
        const marked = await runUnlessMarked(marking, plan, { lease, options }, task);
        if (!marked.isMarked && marked.isNoted) noted = marked;
        return marked;
      });
      return result.acquired ? result.value : null;
    } catch (error) {
      // What is done and noted is done, though the lock went before it could be freed.
      if (noted !== null && isLockError(error, 'LOCK_LOST')) return noted;
      throw error;
    }
  }

  #onMarkFailed(error: unknown, name: string): void {
    try {
      const told: unknown = this.#options.onMarkFailed?.(error, name);
      // An async observer's rejection is nobody's.
      Promise.resolve(told).catch(() => {});
    } catch {
      // Nor is what it throws.
    }
  }
}

/**
 * Makes job locks over any lock manager, which stays the caller's: it is not closed with them. Names in the store are
 * `job/<job>/<element>`, `once/<name>`, `message/<consumer>/<messageId>` and `batch/<job>/<key>`; marks of a calendar's periods are
 * `period/<name>/<period>`.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a bad option
 * @throws LockUnsupportedError LOCK_UNSUPPORTED for `lockAtLeastMs` over a backend without marks
 *
 * @example
 * ```ts
 * import { connect } from 'holdfast';
 * import { createJobLockManager } from 'holdfast/jobs';
 *
 * const locks = await connect('memory:');
 * const jobs = createJobLockManager(locks);
 * const run = await jobs.runOnce('statistics', { windowMs: 55 * 60_000 }, () => 'counted');
 * console.log(run);
 * await locks.close();
 * ```
 */
export function createJobLockManager<F extends FencingToken>(locks: LockManager<F>, options?: JobLockOptions): JobLockManager<F> {
  checkValue('createJobLockManager', 'locks', locks, rule.manager);
  const read = readJobOptions<JobLockOptions>('createJobLockManager', options);
  if ((read.lockAtLeastMs ?? 0) > 0) requireMarks(locks, 'lockAtLeastMs');
  return new Jobs(locks, read);
}
