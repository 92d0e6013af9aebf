import { isLockError, type Lease, type LockManager } from '@holdfast/core';
import type { ResignReason } from './election-events.js';
import type { ResolvedElectionOptions, RunOptions } from './election-options.js';
import { fenced } from './fenced.js';
import { LeadershipEndedError } from './leadership-ended-error.js';
import { lossOf } from './led-lease.js';
import { RetryPause } from './retry-pause.js';
import { type LeaderTask, Term } from './term.js';
import type { TermReport, TermReports } from './term-reports.js';

/** What a candidate takes of its election. */
export interface CandidateSetting {
  readonly locks: LockManager;
  readonly election: string;
  readonly lockName: string;
  readonly options: ResolvedElectionOptions;
  readonly reports: TermReports;
  /** Aborts when the election is closed. */
  readonly closing: AbortSignal;
}

/** How one term ended. */
interface EndedTerm {
  readonly report: TermReport;
  readonly reason: ResignReason;
  /** The task's own failure. */
  readonly error?: unknown;
  /** It lasted: what was before it is forgotten. */
  readonly wasWell: boolean;
}

/** One `run`: campaigns, leads, and campaigns once more. */
export class Candidate {
  readonly #setting: CandidateSetting;
  readonly #task: LeaderTask;
  readonly #options: RunOptions;
  readonly #pause: RetryPause;
  /** Ends the candidacy: the caller's signal, or that the election is closed. */
  readonly #stop: AbortSignal;
  /** The present term, until its task has ended. */
  #term: Term | null = null;
  #report: TermReport | null = null;
  #ended: EndedTerm | null = null;

  constructor(setting: CandidateSetting, task: LeaderTask, options: RunOptions) {
    this.#setting = setting;
    this.#task = task;
    this.#options = options;
    this.#pause = new RetryPause(setting.locks.clock, setting.options.retryMs);
    this.#stop = options.signal === undefined ? setting.closing : AbortSignal.any([setting.closing, options.signal]);
  }

  get term(): Term | null {
    return this.#term;
  }

  /** Resolves when the candidacy was ended from outside. */
  async run(): Promise<void> {
    while (!this.#stop.aborted) {
      const ended = await this.#leadOnce();
      if (ended === null) continue;
      const { reason, error, report, wasWell } = ended;
      report.resigned(reason, error);
      if (reason === 'failed' && this.#options.onTaskError !== 'campaign') throw error;
      const isOwnWill = reason === 'returned' || reason === 'resigned';
      await this.#pause.wait(isOwnWill ? this.#pause.afterTerm() : this.#pause.afterLoss(wasWell), this.#stop);
    }
  }

  /** Gives the term back though its task has not ended. */
  async freeTerm(): Promise<void> {
    const term = this.#term;
    if (term === null) return;
    this.#report?.resigned('closed');
    await term.lease[Symbol.asyncDispose]();
  }

  /** @returns null when there was no term */
  async #leadOnce(): Promise<EndedTerm | null> {
    const { locks, lockName, options } = this.#setting;
    const { ttlMs, label } = options;
    this.#ended = null;
    const startedAt = locks.clock.now();
    const lease = { ttlMs, label, renew: true, maxHoldMs: Number.POSITIVE_INFINITY, waitMs: Number.POSITIVE_INFINITY, signal: this.#stop };
    try {
      await locks.withLock(lockName, lease, async (held) => {
        if (!this.#stop.aborted) this.#ended = await this.#serve(fenced(locks, held), startedAt);
      });
    } catch (error) {
      const ended = this.#endedTerm();
      if (ended === null) {
        await this.#notElected(error);
        return null;
      }
      // The hold ended before its release: the report of a term that was not known to be lost.
      ended.report.deposed(lossOf(error));
    }
    return this.#endedTerm();
  }

  /** A store that is out of reach is asked once more, later; every other failure is reported to the caller. */
  async #notElected(error: unknown): Promise<void> {
    if (this.#stop.aborted && error === this.#stop.reason) return;
    if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') || !error.retryable) throw error;
    await this.#pause.wait(this.#pause.afterOutage(), this.#stop);
  }

  /** Runs the task for one term. Never rejects. */
  async #serve(lease: Lease<bigint>, startedAt: number): Promise<EndedTerm> {
    const { locks, election, options, reports, closing } = this.#setting;
    const { signal } = this.#options;
    const { clock } = locks;
    const electedAt = clock.now();
    const report = reports.elected(lease, Math.round(electedAt - startedAt));
    const onLost = (): void => report.deposed(lossOf(lease.signal.reason));
    lease.signal.addEventListener('abort', onLost, { once: true });
    const term = new Term(lease, { election, clock, ttlMs: options.ttlMs, stepDownMs: options.stepDownMs });
    if (lease.signal.aborted) onLost();
    const onClosing = (): void => void term.close();
    const onAbort = (): void => void term.end(signal?.reason);
    closing.addEventListener('abort', onClosing, { once: true });
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#term = term;
    this.#report = report;
    let failure: { readonly error: unknown } | null = null;
    try {
      await this.#task({ lease, signal: term.signal, resign: () => term.resign() });
    } catch (error) {
      if (!term.isEndOfTask(error)) failure = { error };
    } finally {
      this.#term = null;
      this.#report = null;
      term.dispose();
      lease.signal.removeEventListener('abort', onLost);
      closing.removeEventListener('abort', onClosing);
      signal?.removeEventListener('abort', onAbort);
    }
    const wasWell = clock.now() - electedAt > 2 * options.ttlMs;
    return failure === null ? { report, reason: reasonOf(term), wasWell } : { report, reason: 'failed', error: failure.error, wasWell };
  }

  /** What the task's end has left; a field, as it is set in a callback. */
  #endedTerm(): EndedTerm | null {
    return this.#ended;
  }
}

function reasonOf({ signal }: Term): ResignReason {
  if (!signal.aborted) return 'returned';
  return signal.reason instanceof LeadershipEndedError ? signal.reason.reason : 'aborted';
}
