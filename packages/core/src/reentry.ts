import { AsyncLocalStorage } from 'node:async_hooks';
import { LockReentryError } from './errors.js';
import { type HoldPlan, isExclusive } from './hold/hold-plan.js';
import type { Hold } from './hold/hold.js';
import type { HoldRunner } from './hold/hold-runner.js';

interface Frame {
  readonly runner: HoldRunner;
  readonly holds: readonly Hold[];
  readonly outer: Frame | undefined;
}

// `run` only: `enterWith` after a bare acquire would leak into sibling flows.
const frames = new AsyncLocalStorage<Frame>();

/** Runs a task so that what it waits for is checked against what it holds. */
export function runHolding<L, T>(runner: HoldRunner, holds: readonly Hold[], task: (lease: L) => T, lease: L): T {
  return frames.run({ runner, holds, outer: frames.getStore() }, task, lease);
}

/**
 * Refuses to wait for what the running task itself still holds: the wait would never end.
 *
 * @throws LockReentryError LOCK_REENTRY
 */
export function refuseReentry(runner: HoldRunner, plan: HoldPlan, backend: string): void {
  let frame = frames.getStore();
  if (frame === undefined) return;
  const key = plan.key;
  let permits = plan.permits;
  for (; frame !== undefined; frame = frame.outer) {
    if (frame.runner !== runner) continue;
    for (const hold of frame.holds) {
      if (hold.plan.key !== key || !runner.isHeld(hold)) continue;
      permits += hold.plan.permits;
      const isBlocked = plan.mode === 'permits' ? permits > plan.limit : isExclusive(plan) || isExclusive(hold.plan);
      if (isBlocked) throw reentryError(plan, backend);
    }
  }
}

/** Whether the running task holds the key in any mode: a reader that would wait here waits for a writer that waits for it. */
export function holdsInTask(runner: HoldRunner, plan: HoldPlan): boolean {
  const key = plan.key;
  for (let frame = frames.getStore(); frame !== undefined; frame = frame.outer) {
    if (frame.runner !== runner) continue;
    if (frame.holds.some((hold) => hold.plan.key === key && runner.isHeld(hold))) return true;
  }
  return false;
}

/** The error of both. */
export function reentryError(plan: HoldPlan, backend: string): LockReentryError {
  const what = plan.mode === 'exclusive' ? 'this lock' : plan.mode === 'permits' ? 'permits of this semaphore' : 'this read/write lock';
  return new LockReentryError(
    `${JSON.stringify(plan.name)}: the running task already holds ${what} and would wait for itself; pass its lease on instead`,
    { backend, lockName: plan.name },
  );
}
