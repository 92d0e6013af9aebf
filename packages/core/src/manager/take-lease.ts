import type { FencingToken, Task, TryResult } from '../contract/lease.js';
import type { AcquireOptions, PermitCount, TryOptions } from '../contract/options.js';
import { LockArgumentError } from '../errors.js';
import type { Hold } from '../hold/hold.js';
import type { HeldLease } from '../lease/held-lease.js';
import { runTask } from '../lease/run-task.js';
import type { ManagerCore, Wanted } from './manager-core.js';
import { checkTask } from './resolve-options.js';

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
export interface Takeable<F extends FencingToken, L> extends Wanted {
  readonly core: ManagerCore<F>;
  readonly Lease: new (hold: Hold, core: ManagerCore<F>) => L;
}

export async function acquireLease<F extends FencingToken, L extends HeldLease<FencingToken>>(
  wanted: Takeable<F, L>,
  options: (AcquireOptions & PermitCount) | undefined,
): Promise<L> {
  const { core, Lease } = wanted;
  return new Lease(await core.acquire('acquire', wanted, options), core);
}

export async function tryAcquireLease<F extends FencingToken, L extends HeldLease<FencingToken>>(
  wanted: Takeable<F, L>,
  options: (TryOptions & PermitCount) | undefined,
): Promise<L | null> {
  const { core, Lease } = wanted;
  const hold = await core.tryAcquire('tryAcquire', wanted, options);
  return hold === null ? null : new Lease(hold, core);
}

export async function withLease<F extends FencingToken, L extends HeldLease<FencingToken>, T>(
  wanted: Takeable<F, L>,
  where: string,
  args: TaskArguments<AcquireOptions & PermitCount, L, T>,
): Promise<T> {
  const { options, task } = splitTask(where, args);
  const { core, Lease } = wanted;
  const hold = await core.acquire(where, wanted, options);
  return await runTask(core.holds, new Lease(hold, core), [hold], task);
}

export async function tryWithLease<F extends FencingToken, L extends HeldLease<FencingToken>, T>(
  wanted: Takeable<F, L>,
  where: string,
  args: TaskArguments<TryOptions & PermitCount, L, T>,
): Promise<TryResult<T>> {
  const { options, task } = splitTask(where, args);
  const { core, Lease } = wanted;
  const hold = await core.tryAcquire(where, wanted, options);
  return hold === null ? { acquired: false } : { acquired: true, value: await runTask(core.holds, new Lease(hold, core), [hold], task) };
}
