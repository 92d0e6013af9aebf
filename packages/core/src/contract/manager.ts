import type { Capabilities } from './backend.js';
import type { Clock } from './clock.js';
import type { LockEvent } from './events.js';
import type { FencingToken, Lease, LeaseGroup, LeaseMap, PermitLease, Task, TryResult } from './lease.js';
import type { AcquireOptions, CloseOptions, PermitCount, TryOptions } from './options.js';
import type { HealthReport, LockState } from './state.js';

/** One name of one kind: what `ReadWriteLock.read` and `.write` are. */
export interface Lock<F extends FencingToken = FencingToken> {
  readonly name: string;
  acquire(options?: AcquireOptions): Promise<Lease<F>>;
  tryAcquire(options?: TryOptions): Promise<Lease<F> | null>;
  withLock<T>(task: Task<Lease<F>, T>): Promise<T>;
  withLock<T>(options: AcquireOptions, task: Task<Lease<F>, T>): Promise<T>;
  tryWithLock<T>(task: Task<Lease<F>, T>): Promise<TryResult<T>>;
  tryWithLock<T>(options: TryOptions, task: Task<Lease<F>, T>): Promise<TryResult<T>>;
}

/**
 * Many readers or one writer. A waiting writer is not starved: readers that come after it wait behind it.
 * A read hold's fencing token is above every earlier write's; a resource compares it with the highest *write* token
 * and never records it.
 */
export interface ReadWriteLock<F extends FencingToken = FencingToken> {
  readonly name: string;
  readonly read: Lock<F>;
  readonly write: Lock<F>;
  inspect(): Promise<LockState>;
  forceRelease(): Promise<boolean>;
}

/** A named thing with a fixed number of permits. Every client of one name must say the same number. */
export interface Semaphore {
  readonly name: string;
  readonly permits: number;
  acquire(options?: AcquireOptions & PermitCount): Promise<PermitLease>;
  tryAcquire(options?: TryOptions & PermitCount): Promise<PermitLease | null>;
  withPermits<T>(task: Task<PermitLease, T>): Promise<T>;
  withPermits<T>(options: AcquireOptions & PermitCount, task: Task<PermitLease, T>): Promise<T>;
  tryWithPermits<T>(task: Task<PermitLease, T>): Promise<TryResult<T>>;
  tryWithPermits<T>(options: TryOptions & PermitCount, task: Task<PermitLease, T>): Promise<TryResult<T>>;
  inspect(): Promise<LockState>;
  forceRelease(): Promise<boolean>;
}

/** Several names for one call. Not Iterable<string>: a string is one, and would lock its letters. */
export type Names<N extends string> = readonly N[] | ReadonlySet<N>;

/**
 * Locks, semaphores and read/write locks on one store.
 *
 * Every method checks its arguments before any I/O and rejects with LOCK_INVALID_ARGUMENT; every call settles by its
 * own deadline. Names are 1 to 512 bytes of well-formed Unicode; each is its own lock, however it is spelled.
 */
export interface LockManager<F extends FencingToken = FencingToken> extends AsyncDisposable {
  /** The backend's name. */
  readonly backend: string;
  readonly capabilities: Capabilities;

  /**
   * Waits for the lock and takes it.
   *
   * @throws LockTimeoutError LOCK_TIMEOUT when `waitMs` ran out while others held it
   * @throws LockUnavailableError LOCK_BACKEND_UNAVAILABLE when the store did not answer for `unavailableAfterMs`, or
   *   refuses for good
   * @throws LockReentryError LOCK_REENTRY when the running task waits for what it still holds
   * @throws LockClosedError LOCK_CLOSED when the manager is closed, also while waiting
   * @throws the signal's own reason when `signal` aborts
   */
  acquire(name: string, options?: AcquireOptions): Promise<Lease<F>>;
  /**
   * Asks the store once. Skips the local queue; with a fair backend it is busy while somebody live is queued.
   *
   * @returns the lease, or null when somebody else has it; never null because the store was out of reach
   */
  tryAcquire(name: string, options?: TryOptions): Promise<Lease<F> | null>;
  /**
   * Runs `task` under the lock and frees it afterwards. The task's own error always wins; a task that finished after
   * a loss rejects with LOCK_LOST, which carries the task's `outcome`.
   */
  withLock<T>(name: string, task: Task<Lease<F>, T>): Promise<T>;
  withLock<T>(name: string, options: AcquireOptions, task: Task<Lease<F>, T>): Promise<T>;
  /** Like `withLock`, if the lock is free now; else `{ acquired: false }`. */
  tryWithLock<T>(name: string, task: Task<Lease<F>, T>): Promise<TryResult<T>>;
  tryWithLock<T>(name: string, options: TryOptions, task: Task<Lease<F>, T>): Promise<TryResult<T>>;

  /**
   * Takes all names or none, in code-unit order whatever the caller's, so that two callers never deadlock. One time
   * budget for all.
   */
  acquireAll<const N extends string>(names: Names<N>, options?: AcquireOptions): Promise<LeaseGroup<N, F>>;
  withAll<const N extends string, T>(names: Names<N>, task: Task<LeaseGroup<N, F>, T>): Promise<T>;
  withAll<const N extends string, T>(names: Names<N>, options: AcquireOptions, task: Task<LeaseGroup<N, F>, T>): Promise<T>;
  /** Takes those that are free, in one round trip. Absent from the map means busy. Rejects, holding nothing, when any answer is unknown. */
  tryAcquireEach<const N extends string>(names: Names<N>, options?: TryOptions): Promise<LeaseMap<N, F>>;

  /** @throws LockArgumentError at once for a bad name or count; LockUnsupportedError where the backend has no semaphores */
  semaphore(name: string, options: { readonly permits: number }): Semaphore;
  /** @throws LockArgumentError at once for a bad name; LockUnsupportedError where the backend has no read/write locks */
  readWriteLock(name: string): ReadWriteLock<F>;

  /** Who holds the lock `name`. Semaphores and read/write locks have their own. */
  inspect(name: string): Promise<LockState>;
  /** The locks, semaphores and read/write locks that are held now and whose names begin with `prefix`. */
  list(options?: { readonly prefix?: string | undefined }): AsyncIterable<LockState>;
  /** Frees the lock `name` whoever has it. The holder learns of it by its next renewal at the latest. */
  forceRelease(name: string): Promise<boolean>;
  /** Completion marks, for "this was done already". null where `capabilities.marks` is false. */
  readonly marks: CompletionMarks | null;
  /** Takes and frees a random lock under a deadline. Never rejects. */
  checkHealth(options?: { readonly timeoutMs?: number | undefined }): Promise<HealthReport>;
  /**
   * Refuses new calls, rejects waiters with LOCK_CLOSED, gives holders `drainMs`, then aborts each remaining signal
   * (LOCK_LOST, reason `'closed'`) before it frees the hold, then ends what the backend opened. Idempotent.
   */
  close(options?: CloseOptions): Promise<void>;
  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Marks that say "this was done already", kept by the store's clock. */
export interface CompletionMarks {
  /** Resolves to false when the mark stood already. Kept at least `retentionMs` by the store's clock. */
  set(name: string, options: { readonly retentionMs: number }): Promise<boolean>;
  has(name: string): Promise<boolean>;
}

/** Defaults for every call of one manager; a call's own options win. */
export interface ManagerOptions {
  /** @default 30_000 */
  readonly ttlMs?: number | undefined;
  /** @default Infinity */
  readonly waitMs?: number | undefined;
  /** @default true */
  readonly renew?: boolean | undefined;
  /** @default Infinity */
  readonly maxHoldMs?: number | undefined;
  /** @default `${hostname}:${pid}` */
  readonly label?: string | undefined;
  /**
   * How long one command to the store may take; at most a third of the ttl where a lease depends on it.
   * @default 2_000
   */
  readonly commandTimeoutMs?: number | undefined;
  /**
   * After so long of nothing but failures a waiting acquire rejects with LOCK_BACKEND_UNAVAILABLE.
   * @default 5_000
   */
  readonly unavailableAfterMs?: number | undefined;
  /** Called with every event. `unknown`, so that an async observer's rejection is ours to swallow. */
  readonly onEvent?: ((event: LockEvent) => unknown) | undefined;
  /** @default systemClock */
  readonly clock?: Clock | undefined;
}
