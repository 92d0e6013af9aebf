import { AsyncLocalStorage } from 'node:async_hooks';
import { LockReentryError } from './errors.js';
import { type HoldPlan, isExclusive } from './lease/hold-plan.js';
import type { HoldRecord } from './lease/hold-record.js';
import type { Keeper } from './lease/keeper.js';

interface Frame {
  readonly keeper: Keeper;
  readonly records: readonly HoldRecord[];
  readonly outer: Frame | undefined;
}

// `run` only: `enterWith` after a bare acquire would leak into sibling flows.
const frames = new AsyncLocalStorage<Frame>();

/** Runs a task so that what it waits for is checked against what it holds. */
export function runHolding<T>(keeper: Keeper, records: readonly HoldRecord[], task: () => T): T {
  return frames.run({ keeper, records, outer: frames.getStore() }, task);
}

/**
 * Refuses to wait for what the running task itself still holds: the wait would never end.
 *
 * @throws LockReentryError LOCK_REENTRY
 */
export function refuseReentry(keeper: Keeper, plan: HoldPlan, backend: string): void {
  let frame = frames.getStore();
  if (frame === undefined) return;
  const key = plan.key;
  let permits = plan.permits;
  for (; frame !== undefined; frame = frame.outer) {
    if (frame.keeper !== keeper) continue;
    for (const record of frame.records) {
      if (record.plan.key !== key || !keeper.check(record)) continue;
      permits += record.plan.permits;
      const isBlocked = plan.mode === 'permits' ? permits > plan.limit : isExclusive(plan) || isExclusive(record.plan);
      if (isBlocked) throw reentryError(plan, backend);
    }
  }
}

/** Whether the running task holds the key in any mode: a reader that would wait here waits for a writer that waits for it. */
export function holdsInTask(keeper: Keeper, plan: HoldPlan): boolean {
  const key = plan.key;
  for (let frame = frames.getStore(); frame !== undefined; frame = frame.outer) {
    if (frame.keeper !== keeper) continue;
    if (frame.records.some((record) => record.plan.key === key && keeper.check(record))) return true;
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
