import { AsyncLocalStorage } from 'node:async_hooks';
import type { Hold as Releasable } from '../contract/lease.js';
import { LockLostError, LockReentryError } from '../errors.js';
import type { Hold } from '../hold/hold.js';
import { type HoldPlan, isExclusive } from '../hold/hold-plan.js';
import type { HoldRunner } from '../hold/hold-runner.js';
import { onceAProcess } from '../once-a-process.js';
import { holdChannel } from '../tracing.js';

/** A task that runs, and what it holds. */
interface Frame {
  readonly runner: HoldRunner;
  readonly holds: readonly Hold[];
  readonly outer: Frame | undefined;
}

// `run` only: `enterWith` after a bare acquire would leak into sibling flows.
// Once a process, as each storage that is in use makes every promise a little dearer.
const frames = onceAProcess('@holdfast/core:tasks:1', () => new AsyncLocalStorage<Frame>());

/** What was taken for a task, and the handle that the task is given. */
export interface Taken<L> {
  readonly lease: L;
  readonly holds: readonly Hold[];
}

/**
 * Runs a task under a hold and frees the hold afterwards.
 *
 * The task's own error always wins, except one that is the loss, or was caused by it (`fetch` rejects with the
 * signal's reason; timers and streams wrap it). A task that finished after a loss did so without the lock, also when
 * only the release reveals that it was gone: its result is reported inside LOCK_LOST. A failed release replaces neither; the event `release-failed` reports it.
 *
 * @param taking what is being taken for it
 * @param open makes the handle, once that was granted
 */
export async function runTask<H, L extends Releasable, T>(
  runner: HoldRunner,
  taking: H | PromiseLike<H>,
  open: (taken: H) => Taken<L>,
  task: (lease: L) => T | PromiseLike<T>,
): Promise<T> {
  const { lease, holds } = open(await taking);
  let outcome: PromiseSettledResult<T>;
  try {
    outcome = {
      status: 'fulfilled',
      value: await frames.run(
        { runner, holds, outer: frames.getStore() },
        holdChannel.hasSubscribers ? runner.reports.traced(holds, task) : task,
        lease,
      ),
    };
  } catch (error) {
    outcome = { status: 'rejected', reason: error };
  }
  // The clock, not the timer, says whether the task ended in time: a release looks at the clock first.
  try {
    await lease.release();
  } catch {
    // Reported by the event 'release-failed'; the release goes on in the background.
  }
  let lost: LockLostError | null = null;
  for (const { state } of holds) if (state.end?.how === 'lost') lost ??= state.end.error;
  // The release found nothing to free: the hold had been lost, and nobody had reported the loss.
  for (const hold of holds) {
    const { end } = hold.state;
    if (end?.how === 'released' && end.wasOurs === false) lost ??= runner.errorOf(hold, 'taken');
  }
  if (lost !== null && (outcome.status === 'fulfilled' || isCausedBy(outcome.reason, lost))) throw withOutcome(lost, outcome);
  if (outcome.status === 'rejected') throw outcome.reason;
  return outcome.value;
}

function isCausedBy(error: unknown, loss: LockLostError): boolean {
  try {
    // A cause may be its own ancestor; no real chain is this long.
    for (let depth = 0; depth < 16; depth += 1) {
      if (error === loss) return true;
      if (!(error instanceof Error)) return false;
      error = error.cause;
    }
  } catch {
    // It cannot be looked at: a proxy, or a getter that throws. It is the task's own error.
  }
  return false;
}

function withOutcome(lost: LockLostError, outcome: PromiseSettledResult<unknown>): LockLostError {
  const { message, lockName, backend, reason, fencingToken } = lost;
  return new LockLostError(message, { lockName, backend, reason, fencingToken, outcome, cause: lost });
}

/**
 * Refuses to wait for what the running task itself still holds: the wait would never end.
 *
 * @returns whether the running task holds the key beside: a reader that waited here would wait for a writer that waits for this very task
 * @throws LockReentryError LOCK_REENTRY
 */
export function refuseReentry(runner: HoldRunner, plan: HoldPlan, backend: string): boolean {
  let frame = frames.getStore();
  if (frame === undefined) return false;
  const key = plan.key;
  let isInner = false;
  let permits = plan.permits;
  for (; frame !== undefined; frame = frame.outer) {
    if (frame.runner !== runner) continue;
    for (const hold of frame.holds) {
      if (hold.plan.key !== key || !runner.isHeld(hold)) continue;
      isInner = true;
      permits += hold.plan.permits;
      const isBlocked = plan.mode === 'permits' ? permits > plan.limit : isExclusive(plan) || isExclusive(hold.plan);
      if (isBlocked) throw reentryError(plan, backend);
    }
  }
  return isInner;
}

/** The error of both. */
export function reentryError(plan: HoldPlan, backend: string): LockReentryError {
  const what = plan.mode === 'exclusive' ? 'this lock' : plan.mode === 'permits' ? 'permits of this semaphore' : 'this read/write lock';
  return new LockReentryError(
    `${JSON.stringify(plan.name)}: the running task already holds ${what} and would wait for itself; pass its lease on instead`,
    { backend, lockName: plan.name },
  );
}
