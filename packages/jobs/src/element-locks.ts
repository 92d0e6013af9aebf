import {
  type FencingToken,
  isLockError,
  type Lease,
  type LeaseOptions,
  LockArgumentError,
  LockLostError,
  type LockManager,
  type MarkOutcome,
} from '@holdfast/core';
import type { MarkWriter } from './mark-writer.js';
import { requireMarks } from './marked-task.js';
import { stopwatch } from './tries.js';

interface Element<F extends FencingToken> {
  readonly lease: Lease<F>;
  readonly heldMs: () => number;
  /** Its end is on the way: a second `unlock` of another flow finds nothing. */
  isEnding: boolean;
}

/** The elements that this process has locked, by name: what `lock` and `unlock` without a handle need to remember. */
export class ElementLocks<F extends FencingToken> {
  readonly #locks: LockManager<F>;
  readonly #writer: MarkWriter<F> | null;
  readonly #options: LeaseOptions;
  readonly #lockAtLeastMs: number;
  readonly #elements = new Map<string, Element<F>>();

  /** @param writer null where there are no marks */
  constructor(locks: LockManager<F>, writer: MarkWriter<F> | null, options: LeaseOptions, lockAtLeastMs: number) {
    this.#locks = locks;
    this.#writer = writer;
    this.#options = options;
    this.#lockAtLeastMs = lockAtLeastMs;
  }

  leaseOf(name: string): Lease<F> | null {
    return this.#elements.get(name)?.lease ?? null;
  }

  async lock(name: string): Promise<boolean> {
    // One whose lease was lost is still known here until its flow has ended: it would free the next flow's lock.
    if (this.#elements.has(name)) return false;
    const heldMs = stopwatch(this.#locks.clock);
    const lease = await this.#locks.tryAcquire(name, this.#options);
    if (lease === null) return false;
    try {
      // Under the lock, so that nobody can be between processing it and marking it.
      const isDone = (await this.#locks.marks?.has(name)) === true;
      lease.assertHeld();
      // Asked again: the lease of another flow here may have been lost, and this one granted, while it was on its way.
      if (isDone || this.#elements.has(name)) {
        await lease[Symbol.asyncDispose]();
        return false;
      }
    } catch (error) {
      await lease[Symbol.asyncDispose]();
      throw error;
    }
    this.#elements.set(name, { lease, heldMs, isEnding: false });
    return true;
  }

  async unlock(name: string): Promise<boolean> {
    const element = this.#elements.get(name);
    if (element === undefined || element.isEnding) return false;
    element.isEnding = true;
    try {
      element.lease.assertHeld();
      const isKept = await this.#keepAtLeast(name, element);
      // With its mark it is refused, no matter who has the lock by now.
      if (!isKept || element.lease.isHeld) await releaseHeld(element.lease);
    } catch (error) {
      throw lossIn(error);
    } finally {
      this.#elements.delete(name);
      await element.lease[Symbol.asyncDispose]();
    }
    return true;
  }

  async complete(name: string, retentionMs: number): Promise<void> {
    requireMarks(this.#locks, 'successfullyProcessed');
    const element = this.#elements.get(name);
    if (element === undefined || element.isEnding) {
      throw new LockArgumentError(`successfullyProcessed: ${JSON.stringify(name)} is not locked by this manager; lock it first`, {
        option: 'element',
        lockName: name,
        backend: this.#locks.backend,
      });
    }
    element.isEnding = true;
    try {
      // Nor is it free again before its least time, where that is the longer one.
      const sinceMs = stopwatch(this.#locks.clock);
      await this.#write(name, element, 'succeeded', () => Math.max(retentionMs - sinceMs(), this.#lockAtLeastMs - element.heldMs()));
    } catch (error) {
      element.isEnding = false;
      if (element.lease.isHeld) throw error;
      await this.#end(name, element);
      throw lossIn(error);
    }
    await this.#end(name, element);
  }

  /** Unlocked too soon, the element stays refused by a mark: it survives this process, a lease that is kept would not. */
  async #keepAtLeast(name: string, element: Element<F>): Promise<boolean> {
    const leftMs = (): number => this.#lockAtLeastMs - element.heldMs();
    if (leftMs() <= 0) return false;
    await this.#write(name, element, 'failed', leftMs);
    return true;
  }

  async #write(name: string, { lease }: Element<F>, outcome: MarkOutcome, retentionMs: () => number): Promise<void> {
    await this.#writer?.write({ lease, options: this.#options }, { name, outcome, retentionMs });
  }

  async #end(name: string, { lease }: Element<F>): Promise<void> {
    this.#elements.delete(name);
    await lease[Symbol.asyncDispose]();
  }
}

/** That the lease has ended says more than that the store is away. */
function lossIn(error: unknown): unknown {
  return isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && isLockError(error.cause, 'LOCK_LOST') ? error.cause : error;
}

/**
 * Frees a lease that was held a moment ago.
 *
 * @throws LockLostError LOCK_LOST when only the release reveals that it was gone
 * @throws LockUnavailableError LOCK_BACKEND_UNAVAILABLE when the store did not answer; it is freed in the background
 */
export async function releaseHeld(lease: Lease): Promise<void> {
  if (await lease.release()) return;
  throw new LockLostError(`${JSON.stringify(lease.name)} had been lost before it was released`, {
    lockName: lease.name,
    reason: 'taken',
    fencingToken: lease.fencingToken,
  });
}
