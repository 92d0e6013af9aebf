import {
  checkName,
  checkValue,
  type FencingToken,
  isLockError,
  type Lease,
  LockArgumentError,
  type LockManager,
  LockReentryError,
  rule,
} from '@holdfast/core';
import { ContextHolds } from './context-holds.js';
import { OwnContexts } from './own-contexts.js';

/** Locks by the name of an `ILock` or a Redisson `RLock`: without a handle, owned by the context that runs. */
export interface ReentrantLocks<F extends FencingToken = FencingToken> {
  /** The lock `name`; any number of objects may stand for it. */
  getLock(name: string): ReentrantLock<F>;
  /**
   * Runs `task` as one owner: locks that it takes it may take again, and everything that it awaits owns them with it.
   * What is still locked when it ends is freed. Each call is an owner of its own, also inside another: two flows that
   * must exclude each other each need one.
   */
  runInContext<T>(task: () => T | PromiseLike<T>): Promise<T>;
}

/**
 * One lock, in the manner of Hazelcast's `ILock` and `FencedLock`. Every method that takes, frees or asks "mine?" needs
 * a running `runInContext`, and throws LOCK_INVALID_ARGUMENT outside of one: without it, flows cannot be distinguished.
 *
 * @example
 * ```ts
 * import { connect } from 'holdfast';
 * import { createReentrantLocks } from 'holdfast/migration';
 *
 * const locks = await connect('memory:');
 * const { getLock, runInContext } = createReentrantLocks(locks);
 * await runInContext(async () => {
 *   const lock = getLock('account:7');
 *   if (!(await lock.tryLock(1_000))) return;
 *   console.log(lock.getLockCount(), lock.getFence());
 *   await lock.unlock();
 * });
 * await locks.close();
 * ```
 */
export interface ReentrantLock<F extends FencingToken = FencingToken> {
  /** What is locked. */
  readonly name: string;
  /**
   * Waits for the lock, without an end unless the manager has a `waitMs`. Kept until `unlock`, or for `leaseMs` at most.
   *
   * Where the context has it already, what this call is promised holds as well: with `leaseMs` the lease lasts at least this long
   * from now on (Hazelcast and Redisson shorten a longer lease; here it stays), without `leaseMs` until the last `unlock`.
   *
   * @throws LockUnavailableError LOCK_BACKEND_UNAVAILABLE when the lease could not be made to last this long; this call does not count then
   * @throws LockLostError LOCK_LOST when the context has the lock but has lost it meanwhile
   * @throws LockReentryError LOCK_REENTRY when a context around this one holds it: it would wait for itself
   * @throws as `LockManager.acquire`
   */
  lock(leaseMs?: number): Promise<void>;
  /**
   * Waits for at most `waitMs`, by default not at all; also when another flow of the context waits for the lock. `leaseMs` is as for `lock`.
   *
   * @returns whether the context holds the lock now; never false because the store was out of reach
   */
  tryLock(waitMs?: number, leaseMs?: number): Promise<boolean>;
  /**
   * Undoes one `lock`; the last one frees it.
   *
   * @throws LockLostError LOCK_LOST when it was lost meanwhile
   * @throws LockArgumentError LOCK_INVALID_ARGUMENT when the context does not hold it
   */
  unlock(): Promise<void>;
  /** Whether anybody holds it. */
  isLocked(): Promise<boolean>;
  /** Whether the running context holds it, and has not lost it. */
  isHeldByCurrentContext(): boolean;
  /** How many times the running context has locked it; 0 when it does not hold it. */
  getLockCount(): number;
  /** How long the present hold is sure to last, by its own deadline or else by the store; 0 when nobody holds it, -1 where that is not known. */
  getRemainingLeaseMs(): Promise<number>;
  /** Frees it, no matter who holds it. false: nobody did. */
  forceUnlock(): Promise<boolean>;
  /** The lease of the running context, with its signal; null when it holds none. */
  getLease(): Lease<F> | null;
  /** `FencedLock.getFence`: the fencing token of the running context's hold. @throws LockArgumentError when it holds none */
  getFence(): F;
}

const duration = rule.duration({ infinity: true });
const leaseDuration = rule.duration({ min: 1 });

class NamedLock<F extends FencingToken> implements ReentrantLock<F> {
  readonly name: string;
  readonly #locks: LockManager<F>;
  readonly #contexts: OwnContexts<F>;

  constructor(name: string, locks: LockManager<F>, contexts: OwnContexts<F>) {
    this.name = name;
    this.#locks = locks;
    this.#contexts = contexts;
  }

  async lock(leaseMs?: number): Promise<void> {
    await this.#take('lock', undefined, leaseMs);
  }

  async tryLock(waitMs = 0, leaseMs?: number): Promise<boolean> {
    checkValue('tryLock', 'waitMs', waitMs, duration);
    return await this.#take('tryLock', waitMs, leaseMs);
  }

  async unlock(): Promise<void> {
    await this.#context('unlock').unlock(this.name);
  }

  async isLocked(): Promise<boolean> {
    return this.#contexts.current?.leaseOf(this.name)?.isHeld === true || (await this.#locks.inspect(this.name)).held;
  }

  isHeldByCurrentContext(): boolean {
    return this.#context('isHeldByCurrentContext').leaseOf(this.name)?.isHeld === true;
  }

  getLockCount(): number {
    return this.#context('getLockCount').countOf(this.name);
  }

  async getRemainingLeaseMs(): Promise<number> {
    const lease = this.#contexts.current?.leaseOf(this.name) ?? null;
    if (lease !== null) return lease.remainingMs;
    const { held, holders } = await this.#locks.inspect(this.name);
    return held ? (holders[0]?.remainingMs ?? -1) : 0;
  }

  async forceUnlock(): Promise<boolean> {
    return await this.#locks.forceRelease(this.name);
  }

  getLease(): Lease<F> | null {
    return this.#context('getLease').leaseOf(this.name);
  }

  getFence(): F {
    const lease = this.#context('getFence').leaseOf(this.name);
    if (lease === null) throw notHeld('getFence', this.name);
    return lease.fencingToken;
  }

  async #take(where: string, waitMs: number | undefined, leaseMs: number | undefined): Promise<boolean> {
    if (leaseMs !== undefined) checkValue(where, 'leaseMs', leaseMs, leaseDuration);
    const context = this.#context(where);
    // A lease of a fixed time is not renewed; without one it lasts until `unlock`.
    const lease = leaseMs === undefined ? { renew: true } : { ttlMs: leaseMs, renew: false };
    const take = async (leftMs: number | undefined): Promise<Lease<F> | null> => {
      if (context.isHeldAround(this.name)) {
        if (waitMs !== undefined) return null;
        throw new LockReentryError(`${JSON.stringify(this.name)}: a context around this one holds it and would be waited for`, {
          lockName: this.name,
          backend: this.#locks.backend,
        });
      }
      if (leftMs === 0) return await this.#locks.tryAcquire(this.name, lease);
      try {
        return await this.#locks.acquire(this.name, { ...lease, waitMs: leftMs });
      } catch (error) {
        if (waitMs !== undefined && isLockError(error, 'LOCK_TIMEOUT')) return null;
        throw error;
      }
    };
    return await context.lock(this.name, { waitMs, leaseMs, take });
  }

  #context(where: string): ContextHolds<F> {
    const context = this.#contexts.current;
    if (context !== null && !context.isOver) return context;
    const what = context === null ? 'is called outside of runInContext' : 'is called after its context has ended';
    throw new LockArgumentError(`${where}: ${JSON.stringify(this.name)} ${what}, and has no owner`, {
      option: 'context',
      lockName: this.name,
    });
  }
}

function notHeld(where: string, name: string): LockArgumentError {
  return new LockArgumentError(`${where}: ${JSON.stringify(name)} is not held by this context`, { option: 'context', lockName: name });
}

/**
 * Makes re-entrant locks over any lock manager, which stays the caller's. Ownership follows `AsyncLocalStorage.run`, so it
 * never leaks into sibling flows; Hazelcast's Node client, whose locks belong to the client, excludes only processes.
 *
 * @example
 * ```ts
 * import { connect } from 'holdfast';
 * import { createReentrantLocks } from 'holdfast/migration';
 *
 * const locks = await connect('memory:');
 * const { getLock, runInContext } = createReentrantLocks(locks);
 * await runInContext(async () => {
 *   const lock = getLock('account:7');
 *   await lock.lock();
 *   await lock.lock(); // the same context: counted, not waited for
 *   await lock.unlock();
 *   await lock.unlock();
 * });
 * await locks.close();
 * ```
 */
export function createReentrantLocks<F extends FencingToken>(locks: LockManager<F>): ReentrantLocks<F> {
  checkValue('createReentrantLocks', 'locks', locks, rule.object);
  const contexts = new OwnContexts<F>();
  return {
    getLock(name) {
      checkName('getLock', name);
      return new NamedLock(name, locks, contexts);
    },
    async runInContext(task) {
      checkValue('runInContext', 'task', task, rule.function);
      const context = new ContextHolds<F>(contexts.current, locks);
      try {
        return await contexts.run(context, async () => await task());
      } finally {
        await context.end();
      }
    },
  };
}
