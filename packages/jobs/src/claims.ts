import { randomUUID } from 'node:crypto';
import { type CompletionMarks, isLockError, type LockManager } from '@holdfast/core';
import type { Work } from './mark-writer.js';
import { Tries } from './tries.js';

/** For how much of its window a claim is tried. */
const TRIED_PART = 1 / 4;

interface Claim {
  readonly owner: string;
  /** By the manager's clock. */
  readonly until: number;
}

/**
 * Marks that are set before a task starts, and decide who runs it. A claim whose answer did not come is remembered: its mark
 * may stand and its task has not started, so the next call here goes on with it.
 */
export class Claims {
  readonly #locks: LockManager;
  readonly #claims = new Map<string, Claim>();

  constructor(locks: LockManager) {
    this.#locks = locks;
  }

  has(name: string): boolean {
    this.#forgetEnded();
    return this.#claims.has(name);
  }

  /** The mark was taken away: a claim of it is worth nothing any more. */
  forget(name: string): void {
    this.#claims.delete(name);
  }

  /**
   * Claims the task, trying for as long as the lease stands, and for at most one ttl and a quarter of the window.
   *
   * @returns false when somebody else had: the one who wrote the mark runs, also if the lock was lost between
   * @throws LockUnavailableError LOCK_BACKEND_UNAVAILABLE when the store did not answer; LockLostError LOCK_LOST when the lease
   *   ended first. The task is not to start then
   */
  async claim(name: string, retentionMs: number, { lease, options }: Work): Promise<boolean> {
    const { clock, marks } = this.#locks;
    const known = this.#claims.get(name);
    const owner = known?.owner ?? randomUUID();
    const until = known?.until ?? clock.now() + retentionMs;
    this.#claims.set(name, { owner, until });
    const isClaimed = await this.#set(marks, name, { lease, options }, owner, until);
    // Lost now, the claim is kept for the next call.
    if (isClaimed) lease.assertHeld();
    this.#claims.delete(name);
    return isClaimed;
  }

  async #set(marks: CompletionMarks | null, name: string, { lease, options }: Work, owner: string, until: number): Promise<boolean> {
    const { clock } = this.#locks;
    using tries = new Tries(this.#locks, options);
    // What remains of a window is worth little, and the lock is in the way of the next.
    const lastTryAt = clock.now() + (until - clock.now()) * TRIED_PART;
    for (;;) {
      try {
        const retentionMs = Math.max(1, Math.round(until - clock.now()));
        // oxlint-disable-next-line no-await-in-loop
        return (await marks?.set(name, { retentionMs, owner, label: options.label, outcome: 'started' })) === true;
      } catch (error) {
        const isWanted = isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && lease.isHeld && clock.now() < lastTryAt;
        // oxlint-disable-next-line no-await-in-loop
        if (!isWanted || !(await tries.again(lease.signal)) || clock.now() >= lastTryAt) throw error;
      }
    }
  }

  #forgetEnded(): void {
    const now = this.#locks.clock.now();
    for (const [name, { until }] of this.#claims) if (until <= now) this.#claims.delete(name);
  }
}
