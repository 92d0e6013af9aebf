import type { FencingToken, PermitLease, TryResult } from '../contract/lease.js';
import type { Semaphore } from '../contract/manager.js';
import type { AcquireOptions, PermitCount, TryOptions } from '../contract/options.js';
import type { LockState } from '../contract/state.js';
import { HeldPermitLease } from '../lease/held-lease.js';
import type { ManagerCore } from './manager-core.js';
import { acquireLease, type Takeable, type TaskArguments, tryAcquireLease, tryWithLease, withLease } from './take-lease.js';

/** One semaphore of one manager. */
export class SemaphoreHandle<F extends FencingToken> implements Semaphore {
  readonly name: string;
  readonly permits: number;
  readonly #core: ManagerCore<F>;
  readonly #wanted: Takeable<F, HeldPermitLease>;

  constructor(core: ManagerCore<F>, name: string, permits: number) {
    this.name = name;
    this.permits = permits;
    this.#core = core;
    this.#wanted = {
      core,
      name,
      target: { kind: 'semaphore', mode: 'permits', limit: permits },
      Lease: HeldPermitLease,
    };
  }

  acquire(options?: AcquireOptions & PermitCount): Promise<PermitLease> {
    return acquireLease(this.#wanted, options);
  }

  tryAcquire(options?: TryOptions & PermitCount): Promise<PermitLease | null> {
    return tryAcquireLease(this.#wanted, options);
  }

  withPermits<T>(...args: TaskArguments<AcquireOptions & PermitCount, PermitLease, T>): Promise<T> {
    return withLease(this.#wanted, 'withPermits', args);
  }

  tryWithPermits<T>(...args: TaskArguments<TryOptions & PermitCount, PermitLease, T>): Promise<TryResult<T>> {
    return tryWithLease(this.#wanted, 'tryWithPermits', args);
  }

  async inspect(): Promise<LockState> {
    return await this.#core.inspect(this.name, 'semaphore');
  }

  async forceRelease(): Promise<boolean> {
    return await this.#core.forceRelease(this.name, 'semaphore');
  }
}
