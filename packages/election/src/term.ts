import type { Clock, Lease } from '@holdfast/core';
import { LeadershipEndedError } from './leadership-ended-error.js';

/** What a task that leads is given. */
export interface Leadership {
  /** The lease that makes it the leader; its `fencingToken` is the term. Its own `signal` aborts when the lease is lost, and only then. */
  readonly lease: Lease<bigint>;
  /** Aborts when the task is to end, for whatever cause: the lease is lost, or see LeadershipEndedError. */
  readonly signal: AbortSignal;
  /** Asks this task to end; the term is given back when it has. @returns false when the term was ending already */
  resign(): boolean;
}

/** What runs while leading. What it resolves to is nobody's. */
export type LeaderTask = (leadership: Leadership) => unknown;

/** What a term needs to know of its election. */
export interface TermSetting {
  readonly election: string;
  readonly clock: Clock;
  readonly ttlMs: number;
  readonly stepDownMs: number;
}

/** One term of a candidate of ours that runs a task: from its election until the task has ended. */
export class Term {
  readonly lease: Lease<bigint>;
  readonly #setting: TermSetting;
  readonly #controller = new AbortController();
  readonly #onLost = (): void => void this.end(this.lease.signal.reason);
  #timer: { cancel(): void } | null = null;
  #longestMs = 0;

  constructor(lease: Lease<bigint>, setting: TermSetting) {
    this.lease = lease;
    this.#setting = setting;
    lease.signal.addEventListener('abort', this.#onLost, { once: true });
    if (lease.signal.aborted) this.#onLost();
    else if (setting.stepDownMs > 0) this.#watchDeadline();
  }

  /** The task's signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  resign(): boolean {
    return this.end(this.#ended('resigned'));
  }

  close(): boolean {
    return this.end(this.#ended('closed'));
  }

  /** Asks the task to end. @returns false when it was asked before */
  end(reason: unknown): boolean {
    this.#timer?.cancel();
    if (this.#controller.signal.aborted) return false;
    this.#controller.abort(reason);
    return true;
  }

  /** The task has ended: nothing is to be watched any more, and `resign` does nothing. */
  dispose(): void {
    this.#timer?.cancel();
    this.lease.signal.removeEventListener('abort', this.#onLost);
  }

  /** Whether a task's failure is only what its signal reported: that reason, or an error that has it as its cause. */
  isEndOfTask(error: unknown): boolean {
    if (!this.signal.aborted) return false;
    // A cause may be its own ancestor; no real chain is this long.
    for (let depth = 0, cause = error; depth < 16; depth += 1) {
      if (cause === this.signal.reason) return true;
      if (!(cause instanceof Error)) return false;
      cause = cause.cause;
    }
    return false;
  }

  #watchDeadline(): void {
    const { clock, ttlMs, stepDownMs } = this.#setting;
    const leftMs = this.lease.remainingMs;
    // A deadline that has passed is a loss, and the lease's own signal says so.
    if (!this.lease.isHeld) return;
    this.#longestMs = Math.max(this.#longestMs, Math.min(leftMs, ttlMs));
    const marginMs = Math.floor((stepDownMs * this.#longestMs) / ttlMs);
    if (leftMs <= marginMs) this.end(this.#ended('stepped-down'));
    else this.#timer = clock.setTimer(leftMs - marginMs, () => this.#watchDeadline());
  }

  #ended(reason: LeadershipEndedError['reason']): LeadershipEndedError {
    return new LeadershipEndedError(reason, this.#setting.election, this.lease.fencingToken);
  }
}
