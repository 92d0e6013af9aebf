import type { FencingToken } from './fencing-token.js';
import type { HolderState, LockKind } from './state.js';

export type { FencingToken };

/**
 * Why a hold was lost: its deadline passed without a confirmed renewal; the store says that it is not ours any more; this manager's
 * `forceRelease` freed it; its session ended; the manager was closed; it was held for `maxHoldMs`. `'released'`: it was used after its
 * own release, which is no loss.
 */
export type LostReason = 'deadline' | 'taken' | 'forced' | 'session' | 'closed' | 'max-hold' | 'released';

/** What one lease and a group of leases have in common. */
export interface Hold extends AsyncDisposable {
  /**
   * Aborts with a LockLostError when the hold is lost, by whatever cause; never on a release by its own holder.
   * The deadline is kept by a local timer: the signal aborts in time even when the network is silent.
   */
  readonly signal: AbortSignal;
  /** Whether the holder may still believe in the hold: a synchronous check against the deadline on its own clock. */
  readonly isHeld: boolean;
  /**
   * Whole milliseconds left until the deadline, rounded down; 0 once the hold has ended. Right after a wait that a message of the store has
   * ended they may be fewer than the ttl, until the store has confirmed the hold.
   */
  readonly remainingMs: number;
  /** @throws LockLostError LOCK_LOST when the hold has ended (`reason: 'released'` after a release). */
  assertHeld(): void;
  /**
   * Moves the deadline to now + `ttlMs`, never earlier than it is. The ttl of later renewals stays what it was.
   *
   * @param ttlMs from 1 to 2^31-1; the lease's own `ttlMs` when left out
   * @throws LockLostError LOCK_LOST when the hold has ended, or ends while the store is asked
   * @throws LockUnavailableError LOCK_BACKEND_UNAVAILABLE when the store did not answer in time; the deadline is unchanged
   */
  extend(ttlMs?: number): Promise<void>;
  /**
   * Frees the hold unless it is already gone. Idempotent: every call answers what the first one answered.
   *
   * @returns true when this lease's end was our doing; false when it had expired, been lost or been forced free
   * @throws LockUnavailableError LOCK_BACKEND_UNAVAILABLE when the store did not answer within `commandTimeoutMs`;
   *   the release then goes on in the background, and at worst the hold ends by itself
   */
  release(): Promise<boolean>;
  /** `release()` that never rejects, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * One holder's hold on a lock: the handle that `acquire` returns.
 *
 * @example
 * ```ts
 * import { connect } from 'holdfast';
 *
 * const locks = await connect('memory:');
 * const lease = await locks.acquire('invoice:42', { ttlMs: 30_000 });
 * try {
 *   await fetch('data:,bill+invoice+42', { signal: lease.signal });
 *   lease.assertHeld(); // LOCK_LOST when the deadline has passed
 * } finally {
 *   await lease.release();
 * }
 * await locks.close();
 * ```
 */
export interface Lease<F extends FencingToken = FencingToken> extends Hold {
  /** What is held: the name that was asked for. */
  readonly name: string;
  /** What the name is the name of. */
  readonly kind: LockKind;
  /** How it is held. A read hold's token is compared with those of writes, and never recorded. */
  readonly mode: HolderState['mode'];
  /** Rises with every grant of the name: hand it to what the lock protects, which refuses a lower one. */
  readonly fencingToken: F;
}

/**
 * Holders of permits are concurrent, so no token orders them: null. Use a lock where a resource must be fenced.
 *
 * @example
 * ```ts
 * import { connect } from 'holdfast';
 *
 * const locks = await connect('memory:');
 * const calls = locks.semaphore('weather-api', { permits: 10 });
 * const lease = await calls.acquire({ permits: 3 });
 * console.log(lease.permits);
 * await lease.release(); // all three
 * await locks.close();
 * ```
 */
export interface PermitLease extends Lease<null> {
  /** How many it holds. */
  readonly permits: number;
}

/**
 * The leases of several names as one hold: held while all are held, lost when one is lost. Iterates in lock order.
 *
 * @example
 * ```ts
 * import { connect } from 'holdfast';
 *
 * const locks = await connect('memory:');
 * const group = await locks.acquireAll(['account:1', 'account:2'], { waitMs: 2_000 });
 * for (const lease of group) console.log(lease.name, lease.fencingToken);
 * await group.release();
 * await locks.close();
 * ```
 */
export interface LeaseGroup<N extends string = string, F extends FencingToken = FencingToken> extends Hold, Iterable<Lease<F>> {
  /** The names, without duplicates, in the order in which they were taken. */
  readonly names: readonly N[];
  /** @throws LockArgumentError LOCK_INVALID_ARGUMENT for a name that was not asked for, so never undefined */
  get(name: N): Lease<F>;
}

/**
 * A Map that is disposable too, so that `await using` frees what was taken.
 *
 * @example
 * ```ts
 * import { connect } from 'holdfast';
 *
 * const locks = await connect('memory:');
 * const leases = await locks.tryAcquireEach(['item:1', 'item:2', 'item:3']);
 * console.log([...leases.keys()]); // a name that is busy is absent
 * await leases.releaseAll();
 * await locks.close();
 * ```
 */
export interface LeaseMap<N extends string = string, F extends FencingToken = FencingToken> extends Map<N, Lease<F>>, AsyncDisposable {
  /** Frees all that are still in the map, in one batch; resolves to how many were freed by this call. */
  releaseAll(): Promise<number>;
}

/** What runs under a hold. */
export type Task<L, T> = (lease: L) => T | PromiseLike<T>;

/** The answer of the `tryWith` methods. Busy is a value, and a task that returns undefined or null stays unambiguous. */
export type TryResult<T> =
  | {
      readonly acquired: true;
      /** What the task returned. */
      readonly value: T;
    }
  | {
      readonly acquired: false;
      /** Never there: the task has not run. */
      readonly value?: undefined;
    };
