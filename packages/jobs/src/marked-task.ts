import {
  type CompletionMarks,
  type FencingToken,
  isLockError,
  type LockManager,
  LockUnsupportedError,
  type MarkOutcome,
  type Task,
  type Lease,
} from '@holdfast/core';
import type { Claims } from './claims.js';
import type { MarkOrder, MarkWriter, Work } from './mark-writer.js';
import { stopwatch } from './tries.js';

/** The manager's marks, for what cannot be done without them. @throws LockUnsupportedError LOCK_UNSUPPORTED */
export function requireMarks(locks: LockManager, what: string): CompletionMarks {
  if (locks.marks !== null) return locks.marks;
  throw new LockUnsupportedError(`${what} needs completion marks, and the ${locks.backend} backend has none`, {
    backend: locks.backend,
    capability: 'marks',
  });
}

/** When the mark of a task is written: after a task that succeeded, or before it starts. */
export type JobGuarantee = 'at-least-once' | 'at-most-once';

/** How one task is marked. */
export interface MarkPlan {
  /** The lock that the task runs under. */
  readonly lock: string;
  readonly name: string;
  readonly guarantee: JobGuarantee;
  /** How long the mark of a task that succeeded stays, `elapsedMs` after its start; 0 or less: it is not needed any more. */
  retentionMs(elapsedMs: number): number;
  /** The same for one that failed. */
  failedRetentionMs(elapsedMs: number): number;
}

/** What came of it. `isNoted`: the mark was written behind the task, so that a loss of the lease does no harm any more. */
export type Marked<T> = { readonly isMarked: false; readonly value: T; readonly isNoted: boolean } | { readonly isMarked: true };

/** What tasks are marked with. */
export interface Marking<F extends FencingToken> {
  readonly locks: LockManager<F>;
  readonly marks: CompletionMarks;
  readonly writer: MarkWriter<F>;
  readonly claims: Claims;
  /** Notified of a mark that could not be written where the task's own error is what the caller sees. */
  readonly onMarkFailed: (error: unknown, name: string) => void;
}

/** Runs a task under a lease that is held already, unless the mark stands; leaves the mark behind. */
export async function runUnlessMarked<F extends FencingToken, T>(
  marking: Marking<F>,
  plan: MarkPlan,
  work: Work<F>,
  task: Task<Lease<F>, T>,
): Promise<Marked<T>> {
  const { lease } = work;
  const { marks, claims } = marking;
  const elapsedMs = stopwatch(marking.locks.clock);
  // One's own claim, whose answer was lost before the task had started, is no mark of somebody else.
  if (!claims.has(plan.name) && (await marks.has(plan.name))) return { isMarked: true };
  // Not while somebody else may run it: the lease may have been lost while the answer was on its way.
  lease.assertHeld();
  if (plan.guarantee === 'at-most-once') {
    if (!(await claims.claim(plan.name, plan.retentionMs(0), work))) return { isMarked: true };
    return { isMarked: false, isNoted: false, value: await task(lease) };
  }
  const order = (outcome: MarkOutcome, retentionMs: (elapsedMs: number) => number): MarkOrder => ({
    name: plan.name,
    outcome,
    retentionMs: () => retentionMs(elapsedMs()),
  });
  let value: T;
  try {
    value = await task(lease);
  } catch (error) {
    try {
      await marking.writer.write(
        work,
        order('failed', (ms) => plan.failedRetentionMs(ms)),
      );
    } catch (unwritten) {
      // The task's own error is what the caller must see; that its lease was lost, it sees as well.
      if (!isLockError(unwritten, 'LOCK_LOST')) marking.onMarkFailed(unwritten, plan.name);
    }
    throw error;
  }
  const isNeeded = plan.retentionMs(elapsedMs()) > 0;
  await marking.writer.write(
    work,
    order('succeeded', (ms) => plan.retentionMs(ms)),
  );
  return { isMarked: false, isNoted: isNeeded, value };
}
