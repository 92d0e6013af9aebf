import { randomUUID } from 'node:crypto';
import {
  type FencingToken,
  isLockError,
  type Lease,
  type LeaseOptions,
  LockLostError,
  type LockManager,
  LockUnavailableError,
  type MarkOptions,
  type MarkOutcome,
} from '@holdfast/core';
import { Tries } from './tries.js';

/** What is done under a lease, and how the lease was taken. */
export interface Work<F extends FencingToken = FencingToken> {
  readonly lease: Lease<F>;
  readonly options: LeaseOptions;
}

/** A mark that is to be written. */
export interface MarkOrder {
  readonly name: string;
  readonly outcome: MarkOutcome;
  /** For how long it is to stand, counted anew at each try, so that a late one keeps the end that the first had. 0 or less: not at all. */
  readonly retentionMs: () => number;
}

/**
 * Writes marks of work that has ended under a lease. While the lease stands, a mark that could not be written is tried again, for at most
 * one ttl: what was done must not be done again because the store was away for a moment. Nobody else gets in meanwhile.
 */
export class MarkWriter<F extends FencingToken> {
  readonly #locks: LockManager<F>;
  readonly #set: (name: string, options: MarkOptions) => Promise<boolean>;

  constructor(locks: LockManager<F>, set: (name: string, options: MarkOptions) => Promise<boolean>) {
    this.#locks = locks;
    this.#set = set;
  }

  /**
   * The store is asked first whether the lease still stands: a forced release that no renewal has noticed yet must not leave a mark of
   * work that somebody else may be doing again. Where the lease ends because the store is away, the lock is taken once more: if
   * nobody has done the work meanwhile, the mark is correct.
   *
   * @throws LockLostError LOCK_LOST when the lease was lost; no mark is written then, unless the error has a `cause`: the
   *   store did not answer for so long that the lease ended, and may have written it anyway
   * @throws LockUnavailableError LOCK_BACKEND_UNAVAILABLE when every try failed; its `cause` is the loss if the lease ended meanwhile
   */
  async write(work: Work<F>, { name, outcome, retentionMs }: MarkOrder): Promise<void> {
    // What was done without the lock is not done.
    work.lease.assertHeld();
    const owner = randomUUID();
    const { label } = work.options;
    using tries = new Tries(this.#locks, work.options);
    let { lease } = work;
    let unanswered: unknown;
    /** How the store was last away. */
    let away: unknown;
    try {
      for (let restMs = retentionMs(); restMs > 0; restMs = retentionMs()) {
        try {
          if (!lease.isHeld && mayBeTakenAgain(lease)) lease = (await this.#takeAgain(work)) ?? lease;
          await lease.extend();
          const isSet = await this.#set(name, { retentionMs: restMs, owner, label, outcome }).catch((error: unknown) => {
            unanswered = error;
            throw error;
          });
          if (isSet || lease === work.lease) return;
        } catch (error) {
          if (isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) away = error;
          if (await this.#isToBeTriedAgain(error, lease, tries)) continue;
          // A lease that has ended because the store was away: that is the reason.
          throw failureOf(mayBeTakenAgain(lease) ? (away ?? error) : error, lease, unanswered);
        }
        // Somebody else has done it while the lock was free.
        throw lostError(work.lease, undefined);
      }
    } finally {
      if (lease !== work.lease) await lease[Symbol.asyncDispose]();
    }
  }

  async #isToBeTriedAgain(error: unknown, lease: Lease<F>, tries: Tries): Promise<boolean> {
    const isAway = isLockError(error, 'LOCK_BACKEND_UNAVAILABLE');
    if (!isAway && !isLockError(error, 'LOCK_LOST')) return false;
    return (lease.isHeld ? isAway : mayBeTakenAgain(lease)) && (await tries.again(lease.signal));
  }

  /** null: busy, which may be our own lock of a connection whose end the store has not noticed yet. */
  async #takeAgain({ lease, options }: Work<F>): Promise<Lease<F> | null> {
    return await this.#locks.tryAcquire(lease.name, { ...options, signal: undefined });
  }
}

/** It ended because the store was away, or its connection broke; nobody took it, and it was not the holder's bound that ended it. */
function mayBeTakenAgain({ signal }: Lease): boolean {
  const lost: unknown = signal.reason;
  return isLockError(lost, 'LOCK_LOST') && (lost.reason === 'session' || lost.reason === 'deadline');
}

function failureOf(error: unknown, lease: Lease, unanswered: unknown): unknown {
  if (lease.isHeld) return error;
  const lost = lostError(lease, unanswered);
  if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) return lost;
  const { message, lockName, backend, retryable } = error;
  return new LockUnavailableError(`the mark could not be written, and the lock has ended: ${message}`, {
    lockName,
    backend,
    retryable,
    cause: lost,
  });
}

function lostError({ name, signal, fencingToken }: Lease, unanswered: unknown): LockLostError {
  const lost: unknown = signal.reason;
  const mayStand = unanswered === undefined ? '' : ', which may stand';
  return new LockLostError(`${JSON.stringify(name)} was lost before its mark was written${mayStand}`, {
    lockName: name,
    reason: isLockError(lost, 'LOCK_LOST') ? lost.reason : 'released',
    fencingToken,
    cause: unanswered,
  });
}
