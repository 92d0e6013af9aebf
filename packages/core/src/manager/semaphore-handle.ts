import type { FencingToken, PermitLease, TryResult } from '../contract/lease.js';
import type { Semaphore } from '../contract/manager.js';
import type { AcquireOptions, PermitCount, TryOptions } from '../contract/options.js';
import type { LockState } from '../contract/state.js';
import { HeldPermitLease } from '../lease/held-lease.js';
import { keyOf } from '../hold/hold-plan.js';
import { HoldTaker, type TaskArguments } from './lock-handle.js';
import type { ManagerCore } from './manager-core.js';

/** One semaphore of one manager. */
export class SemaphoreHandle<F extends FencingToken> implements Semaphore {
  readonly name: string;
  readonly permits: number;
  readonly #core: ManagerCore<F>;
  readonly #taker: HoldTaker<F, HeldPermitLease>;

  constructor(core: ManagerCore<F>, name: string, permits: number) {
    this.name = name;
    this.permits = permits;
    this.#core = core;
    this.#taker = new HoldTaker(
      core,
      { kind: 'semaphore', name, key: keyOf('semaphore', name), mode: 'permits', limit: permits },
      (hold) => new HeldPermitLease(hold, core),
    );
  }

  acquire(options?: AcquireOptions & PermitCount): Promise<PermitLease> {
    return this.#taker.acquire('acquire', options);
  }

  tryAcquire(options?: TryOptions & PermitCount): Promise<PermitLease | null> {
    return this.#taker.tryAcquire('tryAcquire', options);
  }

  withPermits<T>(...args: TaskArguments<AcquireOptions & PermitCount, PermitLease, T>): Promise<T> {
    return this.#taker.with('withPermits', args);
  }

  tryWithPermits<T>(...args: TaskArguments<TryOptions & PermitCount, PermitLease, T>): Promise<TryResult<T>> {
    return this.#taker.tryWith('tryWithPermits', args);
  }

  async inspect(): Promise<LockState> {
    return await this.#core.inspect(this.name, 'semaphore');
  }

  async forceRelease(): Promise<boolean> {
    return await this.#core.forceRelease(this.name, 'semaphore');
  }
}
