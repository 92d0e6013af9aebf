import {
  type CompletionMarks,
  type FencingToken,
  isLockError,
  type Lease,
  LockLostError,
  type LockManager,
  LockUnsupportedError,
  systemClock,
  type Task,
} from '@holdfast/core';

/** The manager's marks, for what cannot be done without them. @throws LockUnsupportedError LOCK_UNSUPPORTED */
export function requireMarks(locks: LockManager, what: string): CompletionMarks {
  if (locks.marks !== null) return locks.marks;
  throw new LockUnsupportedError(`${what} needs completion marks, and the ${locks.backend} backend has none`, {
    backend: locks.backend,
    capability: 'marks',
  });
}

/**
 * Writes the mark of what was done under `lease`. The store is asked first whether the lease still stands: a forced
 * release that no renewal has noticed yet must not leave a mark of work that somebody else may be doing again.
 *
 * @throws LockLostError LOCK_LOST when the lease was lost; no mark is written then, unless the error has a `cause`: the
 *   store did not answer for so long that the lease ended, and may have written it all the same
 */
export async function markUnder(lease: Lease, marks: CompletionMarks, name: string, retentionMs: number): Promise<void> {
  await lease.extend();
  try {
    await marks.set(name, { retentionMs });
  } catch (error) {
    if (lease.isHeld) throw error;
    const lost: unknown = lease.signal.reason;
    throw new LockLostError(`${JSON.stringify(name)} was lost while its mark was written, which may stand`, {
      lockName: name,
      reason: isLockError(lost, 'LOCK_LOST') ? lost.reason : 'released',
      fencingToken: lease.fencingToken,
      cause: error,
    });
  }
}

/** When the mark of a task is written: after a task that succeeded, or before it starts. */
export type JobGuarantee = 'at-least-once' | 'at-most-once';

/** How one task is marked. */
export interface MarkPlan {
  readonly name: string;
  readonly guarantee: JobGuarantee;
  /** How long the mark of a task that succeeded stays, `elapsedMs` after its start; 0 or less: it is not needed any more. */
  retentionMs(elapsedMs: number): number;
  /** The same for one that failed. */
  failedRetentionMs(elapsedMs: number): number;
}

/** What came of it. */
export type Marked<T> = { readonly isMarked: false; readonly value: T } | { readonly isMarked: true };

/** Runs a task under a lease that is held already, unless the mark stands; leaves the mark behind. */
export async function runUnlessMarked<F extends FencingToken, T>(
  marks: CompletionMarks,
  plan: MarkPlan,
  lease: Lease<F>,
  task: Task<Lease<F>, T>,
): Promise<Marked<T>> {
  if (await marks.has(plan.name)) return { isMarked: true };
  // Not while somebody else may run it: the lease may have been lost while the answer was on its way.
  lease.assertHeld();
  const elapsedMs = stopwatch();
  if (plan.guarantee === 'at-most-once') {
    // `set` decides: whoever wrote the mark runs, also if the lock was lost between.
    if (!(await marks.set(plan.name, { retentionMs: plan.retentionMs(0) }))) return { isMarked: true };
    lease.assertHeld();
    return { isMarked: false, value: await task(lease) };
  }
  let value: T;
  try {
    value = await task(lease);
  } catch (error) {
    const retentionMs = plan.failedRetentionMs(elapsedMs());
    // The task's own error is what the caller must see.
    if (retentionMs > 0) await markUnder(lease, marks, plan.name, retentionMs).catch(() => {});
    throw error;
  }
  const retentionMs = plan.retentionMs(elapsedMs());
  if (retentionMs > 0) await markUnder(lease, marks, plan.name, retentionMs);
  return { isMarked: false, value };
}

/** Milliseconds since the call, by the clock that went further: a monotonic one may stand still while the machine sleeps. */
export function stopwatch(): () => number {
  const [now, wall] = [systemClock.now(), systemClock.wall()];
  return () => Math.max(0, Math.round(Math.max(systemClock.now() - now, systemClock.wall() - wall)));
}
