import { AsyncLocalStorage } from 'node:async_hooks';
import { setMaxListeners } from 'node:events';
import { checkName, checkValue, type Lease, LockClosedError, type LockManager, onceAProcess, rule } from '@holdfast/core';
import { Candidate } from './candidate.js';
import {
  type CampaignOptions,
  type ElectionCloseOptions,
  type ElectionHealthOptions,
  type ElectionOptions,
  type ObserveOptions,
  readElectionOptions,
  type ResolvedElectionOptions,
  resolveElectionOptions,
  type RunOptions,
} from './election-options.js';
import { fenced, requireTerms } from './fenced.js';
import { type ElectionHealth, healthOf } from './health.js';
import { keepingAlive } from './keep-alive.js';
import { LeaderIterator } from './leader-iterator.js';
import { type Leader, LeaderView } from './leader-view.js';
import { LedLease } from './led-lease.js';
import type { LeaderTask } from './term.js';
import { TermReports } from './term-reports.js';

/** A task that is running, and the one that it was begun in, of this election or of another. */
interface RunningTask {
  readonly candidate: Candidate;
  readonly outer: RunningTask | undefined;
}

// One for all elections: up to Node 22 each such storage that was ever used makes every promise of the process a little dearer.
const running = onceAProcess('@holdfast/election:tasks:1', () => new AsyncLocalStorage<RunningTask>());

/** One leader at a time among all that campaign in elections of one name on one store. */
export interface Election extends AsyncDisposable {
  /** What is campaigned for: the same name, the same election. */
  readonly name: string;
  /**
   * Campaigns, runs `task` while leading, and campaigns once more after each term. Ends when `signal` aborts or the election is closed: the
   * task's signal aborts, the task is waited for, the term is given back, and `run` resolves. When a task returns, its term is given back, and this candidate lets the others campaign first.
   *
   * @throws what the task throws, unless that is only its signal's reason (or has it as its cause) or `onTaskError` is `'campaign'`
   * @throws LockUnavailableError LOCK_BACKEND_UNAVAILABLE when the store refuses permanently; while it is only out of reach, `run` goes on
   * @throws LockReentryError LOCK_REENTRY inside a task of the same election
   * @throws LockClosedError LOCK_CLOSED when this election, or the manager below it, was closed before
   * @throws LockUnsupportedError LOCK_UNSUPPORTED when the store gives no fencing tokens any more
   */
  run(task: LeaderTask, options?: RunOptions): Promise<void>;
  /**
   * Waits to be elected, for a lease in the caller's own hands: the term ends when it is released or lost. Its `signal` aborts on a loss
   * alone, `stepDownMs` does not apply, and `close` leaves it alone.
   *
   * @throws what `acquire` of a lock manager throws; LOCK_TIMEOUT with `waitMs`, which is Infinity when left out
   */
  campaign(options?: CampaignOptions): Promise<Lease<bigint>>;
  /** Asks the store who leads. null is a hint: nobody was seen to lead. */
  leader(): Promise<Leader | null>;
  /**
   * Who leads, from now on: the present leader, or null, and each change. Asks the store every `everyMs`; what this process wins or
   * loses is known at once. Terms never fall. A leader that led for less than `everyMs` may be missed, and null is a hint. Ends with `signal`, with `close`, and with the manager.
   * Keeps no process alive.
   *
   * @throws LockArgumentError LOCK_INVALID_ARGUMENT, LockClosedError LOCK_CLOSED at once; while it is iterated, LOCK_BACKEND_UNAVAILABLE
   *   when the store refuses permanently
   */
  observe(options?: ObserveOptions): AsyncIterableIterator<Leader | null, undefined>;
  /** How the candidates of this election are, by what this process knows; sends nothing to the store. For a health endpoint. */
  health(options?: ElectionHealthOptions): ElectionHealth;
  /** Asks the tasks that `run` runs here to end, as `resign` of a task does. @returns whether one was leading and not ending already */
  resign(): boolean;
  /**
   * Ends every `run` of this election, waits for `campaign` calls to be refused (LOCK_CLOSED) and observers to end. A task's signal aborts at once, and
   * its term is given back as soon as it has ended. The manager stays open. A call by a task of this election does not wait for that task. Idempotent.
   */
  close(options?: ElectionCloseOptions): Promise<void>;
  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

class LockElection implements Election {
  readonly name: string;
  readonly #locks: LockManager;
  readonly #lockName: string;
  readonly #options: ResolvedElectionOptions;
  readonly #view: LeaderView;
  readonly #reports: TermReports;
  readonly #closing = new AbortController();
  /** Each with the end of its `run`. */
  readonly #candidates = new Map<Candidate, Promise<unknown>>();
  /** Leases in their callers' own hands. */
  readonly #handed = new Set<Lease<bigint>>();

  constructor(locks: LockManager, name: string, lockName: string, options: ResolvedElectionOptions) {
    this.name = name;
    this.#locks = locks;
    this.#lockName = lockName;
    this.#options = options;
    this.#view = LeaderView.of(locks, lockName);
    this.#reports = new TermReports(locks, name, options, this.#view);
    setMaxListeners(0, this.#closing.signal);
  }

  async run(task: LeaderTask, given?: RunOptions): Promise<void> {
    const options = readElectionOptions<RunOptions>('run', given);
    checkValue('run', 'task', task, rule.function);
    this.#assertReady();
    const candidate: Candidate = new Candidate(
      {
        locks: this.#locks,
        election: this.name,
        lockName: this.#lockName,
        options: this.#options,
        reports: this.#reports,
        closing: this.#closing.signal,
      },
      (leadership) => running.run({ candidate, outer: running.getStore() }, () => task(leadership)),
      options,
    );
    const end = keepingAlive(() => candidate.run());
    this.#candidates.set(
      candidate,
      end.catch(() => {}),
    );
    try {
      await end;
    } finally {
      this.#candidates.delete(candidate);
    }
  }

  async campaign(given?: CampaignOptions): Promise<Lease<bigint>> {
    const { signal, waitMs = Number.POSITIVE_INFINITY } = readElectionOptions<CampaignOptions>('campaign', given);
    this.#assertReady();
    const { clock } = this.#locks;
    const startedAt = clock.now();
    const closing = this.#closing.signal;
    const lease = await this.#locks.acquire(this.#lockName, {
      ttlMs: this.#options.ttlMs,
      label: this.#options.label,
      renew: true,
      maxHoldMs: Number.POSITIVE_INFINITY,
      waitMs,
      signal: signal === undefined ? closing : AbortSignal.any([closing, signal]),
    });
    try {
      closing.throwIfAborted();
      fenced(this.#locks, lease);
    } catch (error) {
      await lease[Symbol.asyncDispose]();
      throw error;
    }
    const term = fenced(this.#locks, lease);
    const report = this.#reports.elected(term, Math.round(clock.now() - startedAt));
    this.#handed.add(term);
    return new LedLease(term, {
      released: () => {
        this.#handed.delete(term);
        report.resigned('released');
      },
      lost: (reason) => {
        this.#handed.delete(term);
        report.deposed(reason);
      },
    });
  }

  async leader(): Promise<Leader | null> {
    this.#assertReady();
    const leader = await this.#view.look();
    this.#reports.noticed(leader);
    return leader;
  }

  observe(given?: ObserveOptions): AsyncIterableIterator<Leader | null, undefined> {
    const { signal, everyMs = 1_000 } = readElectionOptions<ObserveOptions>('observe', given);
    this.#assertReady();
    const signals = signal === undefined ? [this.#closing.signal] : [this.#closing.signal, signal];
    return new LeaderIterator(this.#view, everyMs, signals, (leader) => this.#reports.noticed(leader));
  }

  health(given?: ElectionHealthOptions): ElectionHealth {
    const { minRemainingMs = 0 } = readElectionOptions<ElectionHealthOptions>('health', given);
    const led = [...this.#candidates.keys()].flatMap(({ term }) => (term === null ? [] : [term.lease]));
    return healthOf([...led, ...this.#handed], minRemainingMs);
  }

  resign(): boolean {
    // Each one is asked, whatever the first says.
    return [...this.#candidates.keys()].map(({ term }) => term?.resign() ?? false).includes(true);
  }

  async close(given?: ElectionCloseOptions): Promise<void> {
    const { drainMs = Number.POSITIVE_INFINITY } = readElectionOptions<ElectionCloseOptions>('close', given);
    if (!this.#closing.signal.aborted) this.#closing.abort(this.#closedError());
    const own = new Set<Candidate>();
    for (let at = running.getStore(); at !== undefined; at = at.outer) own.add(at.candidate);
    const others = [...this.#candidates].filter(([candidate]) => !own.has(candidate));
    const ended = Promise.all(others.map(([, end]) => end));
    if (drainMs === Number.POSITIVE_INFINITY) await ended;
    else if (!(await this.#isWithin(drainMs, ended))) await Promise.all(others.map(([candidate]) => candidate.freeTerm()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #assertReady(): void {
    if (this.#closing.signal.aborted) throw this.#closedError();
    requireTerms(this.#locks);
  }

  #closedError(): LockClosedError {
    return new LockClosedError(`the election ${JSON.stringify(this.name)} is closed`, {
      backend: this.#locks.backend,
      lockName: this.#lockName,
    });
  }

  async #isWithin(ms: number, end: Promise<unknown>): Promise<boolean> {
    let timer: { cancel(): void } | undefined;
    const late = new Promise<false>((resolve) => {
      timer = this.#locks.clock.setTimer(ms, () => resolve(false));
    });
    try {
      return await Promise.race([end.then(() => true), late]);
    } finally {
      timer?.cancel();
    }
  }
}

/**
 * Makes an election over any lock manager whose store gives fencing tokens. The manager stays the caller's: it is not closed with it. Its lock is
 * `election/<name>`.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a bad name or option
 * @throws LockUnsupportedError LOCK_UNSUPPORTED where `capabilities.fencing` is false: a ShedLock table, a migration while its tokens are null
 *
 * @example
 * ```ts
 * import { connect } from 'holdfast';
 * import { createElection } from 'holdfast/election';
 *
 * const locks = await connect('memory:');
 * const election = createElection(locks, 'scheduler', { ttlMs: 15_000 });
 * const stop = new AbortController();
 * await election.run(
 *   ({ lease }) => {
 *     console.log(`leading in term ${lease.fencingToken}`);
 *     stop.abort(); // in this example, once
 *   },
 *   { signal: stop.signal },
 * );
 * await election.close();
 * await locks.close();
 * ```
 */
export function createElection(locks: LockManager, name: string, options?: ElectionOptions): Election {
  checkValue('createElection', 'locks', locks, rule.object);
  checkName('createElection', name);
  const lockName = `election/${name}`;
  checkName('createElection', lockName);
  const resolved = resolveElectionOptions(options, locks.leaseDefaults);
  requireTerms(locks);
  return new LockElection(locks, name, lockName, resolved);
}
