import type { FencingToken, Lease, TryResult } from '../contract/lease.js';
import type { Lock } from '../contract/manager.js';
import type { AcquireOptions, TryOptions } from '../contract/options.js';
import { HeldLease } from '../lease/held-lease.js';
import type { ManagerCore, Target } from './manager-core.js';
import { acquireLease, type Takeable, type TaskArguments, tryAcquireLease, tryWithLease, withLease } from './take-lease.js';

/** One side of a read/write lock. */
export class LockHandle<F extends FencingToken> implements Lock<F> {
  readonly name: string;
  readonly #wanted: Takeable<F, HeldLease<F>>;

  constructor(core: ManagerCore<F>, name: string, target: Target) {
    this.name = name;
    this.#wanted = { core, name, target, Lease: HeldLease<F> };
  }

  acquire(options?: AcquireOptions): Promise<Lease<F>> {
    return acquireLease(this.#wanted, options);
  }

  tryAcquire(options?: TryOptions): Promise<Lease<F> | null> {
    return tryAcquireLease(this.#wanted, options);
  }

  withLock<T>(...args: TaskArguments<AcquireOptions, Lease<F>, T>): Promise<T> {
    return withLease(this.#wanted, 'withLock', args);
  }

  tryWithLock<T>(...args: TaskArguments<TryOptions, Lease<F>, T>): Promise<TryResult<T>> {
    return tryWithLease(this.#wanted, 'tryWithLock', args);
  }
}
