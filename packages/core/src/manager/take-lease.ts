import { checkName } from '../check-name.js';
import type { FencingToken, Task, TryResult } from '../contract/lease.js';
import type { AcquireOptions, PermitCount, TryOptions } from '../contract/options.js';
import { LockArgumentError } from '../errors.js';
import type { Hold } from '../hold/hold.js';
import type { HoldPlan, WaitLimits } from '../hold/hold-plan.js';
import { storeTtlMs } from '../hold/hold-times.js';
import type { HeldLease } from '../lease/held-lease.js';
import { reentryError, refuseReentry, runTask } from '../lease/run-task.js';
import { acquireChannel } from '../tracing.js';
import type { ManagerCore, Target } from './manager-core.js';
import { checkTask, type ResolvedLeaseOptions } from './resolve-options.js';

/** The lock of a name. */
export const LOCK: Target = { kind: 'lock', mode: 'exclusive', limit: 1 };

/** The two ways of calling a `with` method: options may be left out. */
export type TaskArguments<O, L, T> = readonly [task: Task<L, T>] | readonly [options: O, task: Task<L, T>];

/** @throws LockArgumentError LOCK_INVALID_ARGUMENT when there is no task, or options stand behind it and would do nothing */
export function splitTask<O, L, T>(
  where: string,
  args: TaskArguments<O, L, T>,
): { readonly options: O | undefined; readonly task: Task<L, T> } {
  const [first, second] = args;
  const [options, task] = typeof first === 'function' ? [undefined, first as Task<L, T>] : [first, second];
  if (typeof task !== 'function') checkTask(where, task);
  if (typeof first === 'function' && second !== undefined) {
    throw new LockArgumentError(`${where}: there is something behind the task; options go before it`, { option: 'options' });
  }
  return { options, task: task as Task<L, T> };
}

/** One thing that can be taken, whatever it is: a lock, one side of a read/write lock, permits. */
export interface Takeable<F extends FencingToken, L> {
  readonly core: ManagerCore<F>;
  readonly name: string;
  /** null: the lock of a name that nobody has looked at yet. */
  readonly target: Target | null;
  readonly Lease: new (hold: Hold, core: ManagerCore<F>) => L;
}

export async function acquireLease<F extends FencingToken, L extends HeldLease<FencingToken>>(
  wanted: Takeable<F, L>,
  options: (AcquireOptions & PermitCount) | undefined,
): Promise<L> {
  return new wanted.Lease(await take('acquire', wanted, options), wanted.core);
}

export async function tryAcquireLease<F extends FencingToken, L extends HeldLease<FencingToken>>(
  wanted: Takeable<F, L>,
  options: (TryOptions & PermitCount) | undefined,
): Promise<L | null> {
  const hold = await tryTake('tryAcquire', wanted, options);
  return hold === null ? null : new wanted.Lease(hold, wanted.core);
}

/** Not `async`: each promise between the grant and the task would cost the holder a turn. */
export function withLease<F extends FencingToken, L extends HeldLease<FencingToken>, T>(
  wanted: Takeable<F, L>,
  where: string,
  args: TaskArguments<AcquireOptions & PermitCount, L, T>,
): Promise<T> {
  const { core, Lease } = wanted;
  try {
    const { options, task } = splitTask(where, args);
    return runTask(core.holds, take(where, wanted, options), (hold) => ({ lease: new Lease(hold, core), holds: [hold] }), task);
  } catch (error) {
    return Promise.reject(error);
  }
}

export async function tryWithLease<F extends FencingToken, L extends HeldLease<FencingToken>, T>(
  wanted: Takeable<F, L>,
  where: string,
  args: TaskArguments<TryOptions & PermitCount, L, T>,
): Promise<TryResult<T>> {
  const { options, task } = splitTask(where, args);
  const { core, Lease } = wanted;
  const hold = await tryTake(where, wanted, options);
  if (hold === null) return { acquired: false };
  return { acquired: true, value: await runTask(core.holds, hold, () => ({ lease: new Lease(hold, core), holds: [hold] }), task) };
}

/** What is wanted, and how. @throws LockClosedError LOCK_CLOSED */
export function planOf<F extends FencingToken>(
  core: ManagerCore<F>,
  name: string,
  { kind, mode, limit }: Target,
  options: ResolvedLeaseOptions,
): HoldPlan {
  if (core.isClosing) core.assertOpen(name);
  const { ttlMs, renew, maxHoldMs, label, keptLabel, permits } = options;
  const toldMs = ttlMs === core.defaults.ttlMs ? core.defaultStoreTtlMs : storeTtlMs(core.backend, ttlMs);
  core.planned += 1;
  return {
    kind,
    name,
    key: `${kind}:${name}`,
    mode,
    permits,
    limit,
    label,
    keptLabel,
    ttlMs,
    storeTtlMs: toldMs,
    renew,
    maxHoldMs,
    requestNo: core.planned,
    wasContended: false,
  };
}

/**
 * Waits for the hold, unless the running task would wait for itself.
 *
 * @throws what is known to be wrong before anything is sent
 */
function take<F extends FencingToken, L>(
  where: string,
  { core, name, target }: Takeable<F, L>,
  options: (AcquireOptions & PermitCount) | undefined,
): Promise<Hold> {
  if (target === null) checkName(where, name);
  const wanted = target ?? LOCK;
  const resolved = options === undefined ? core.defaults : core.resolve(where, options, wanted);
  const plan = planOf(core, name, wanted, resolved);
  if (!acquireChannel.hasSubscribers) return takePlan(core, plan, resolved);
  return core.traced(
    where,
    [plan],
    resolved.waitMs,
    () => takePlan(core, plan, resolved),
    () => 'granted',
  );
}

/** @throws as `take` */
export function takePlan<F extends FencingToken>(core: ManagerCore<F>, plan: HoldPlan, limits: WaitLimits): Promise<Hold> {
  const isInner = refuseReentry(core.holds, plan, core.backend.name);
  // A reader inside a reader may pass, but not wait.
  if (isInner && plan.mode === 'read') return readAgain(core, plan, limits.signal);
  return core.asker.askFirst(plan, limits) ?? core.acquirer.acquire(plan, limits);
}

async function readAgain<F extends FencingToken>(core: ManagerCore<F>, plan: HoldPlan, signal: AbortSignal | undefined): Promise<Hold> {
  const hold = await core.acquirer.tryOne(plan, signal);
  if (hold === null) throw reentryError(plan, core.backend.name);
  return hold;
}

/** @throws as `take` */
function tryTake<F extends FencingToken, L>(
  where: string,
  { core, name, target }: Takeable<F, L>,
  options: (AcquireOptions & PermitCount) | undefined,
): Promise<Hold | null> {
  if (target === null) checkName(where, name);
  const wanted = target ?? LOCK;
  const resolved = core.resolve(where, options, wanted);
  const plan = planOf(core, name, wanted, resolved);
  if (!acquireChannel.hasSubscribers) return core.acquirer.tryOne(plan, resolved.signal);
  return core.traced(
    where,
    [plan],
    0,
    () => core.acquirer.tryOne(plan, resolved.signal),
    (hold) => (hold === null ? 'busy' : 'granted'),
  );
}
