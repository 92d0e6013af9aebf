import type { FencingToken, Lease, Task, TryResult } from '../contract/lease.js';
import type { Lock } from '../contract/manager.js';
import type { AcquireOptions, PermitCount, TryOptions } from '../contract/options.js';
import { LockArgumentError } from '../errors.js';
import { HeldLease } from '../lease/held-lease.js';
import type { Hold } from '../hold/hold.js';
import { runTask } from '../lease/run-task.js';
import type { ManagerCore, Target } from './manager-core.js';
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
  checkTask(where, task);
  if (typeof first === 'function' && second !== undefined) {
    throw new LockArgumentError(`${where}: there is something behind the task; options go before it`, { option: 'options' });
  }
  return { options, task: task as Task<L, T> };
}

/** The four ways of taking one thing, whatever it is: a lock, one side of a read/write lock, permits. */
export class HoldTaker<F extends FencingToken, L extends HeldLease<FencingToken>> {
  readonly #core: ManagerCore<F>;
  readonly #target: Target;
  readonly #leaseOf: (hold: Hold) => L;

  constructor(core: ManagerCore<F>, target: Target, leaseOf: (hold: Hold) => L) {
    this.#core = core;
    this.#target = target;
    this.#leaseOf = leaseOf;
  }

  async acquire(where: string, options: (AcquireOptions & PermitCount) | undefined): Promise<L> {
    return this.#leaseOf(await this.#core.acquire(where, this.#target, options));
  }

  async tryAcquire(where: string, options: (TryOptions & PermitCount) | undefined): Promise<L | null> {
    const hold = await this.#core.tryAcquire(where, this.#target, options);
    return hold === null ? null : this.#leaseOf(hold);
  }

  async with<T>(where: string, args: TaskArguments<AcquireOptions & PermitCount, L, T>): Promise<T> {
    const { options, task } = splitTask(where, args);
    return await this.#run(await this.acquire(where, options), task);
  }

  async tryWith<T>(where: string, args: TaskArguments<TryOptions & PermitCount, L, T>): Promise<TryResult<T>> {
    const { options, task } = splitTask(where, args);
    const lease = await this.tryAcquire(where, options);
    return lease === null ? { acquired: false } : { acquired: true, value: await this.#run(lease, task) };
  }

  async #run<T>(lease: L, task: Task<L, T>): Promise<T> {
    return await runTask(this.#core.holds, lease, [HeldLease.holdOf(lease)], task);
  }
}

/** One name of one kind. */
export class LockHandle<F extends FencingToken> implements Lock<F> {
  readonly name: string;
  readonly #taker: HoldTaker<F, HeldLease<F>>;

  constructor(core: ManagerCore<F>, target: Target) {
    this.name = target.name;
    this.#taker = new HoldTaker(core, target, (hold) => new HeldLease<F>(hold, core));
  }

  acquire(options?: AcquireOptions): Promise<Lease<F>> {
    return this.#taker.acquire('acquire', options);
  }

  tryAcquire(options?: TryOptions): Promise<Lease<F> | null> {
    return this.#taker.tryAcquire('tryAcquire', options);
  }

  withLock<T>(...args: TaskArguments<AcquireOptions, Lease<F>, T>): Promise<T> {
    return this.#taker.with('withLock', args);
  }

  tryWithLock<T>(...args: TaskArguments<TryOptions, Lease<F>, T>): Promise<TryResult<T>> {
    return this.#taker.tryWith('tryWithLock', args);
  }
}
