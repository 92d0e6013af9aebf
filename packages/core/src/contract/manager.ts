import type { Capabilities } from './capabilities.js';
import type { Clock } from './clock.js';
import type { LockEvent } from './events.js';
import type { HealthReport } from './health.js';
import type { FencingToken, Lease, LeaseGroup, LeaseMap, PermitLease, Task, TryResult } from './lease.js';
import type { LeaseTicket } from './lease-ticket.js';
import type { CompletionMarks } from './marks.js';
import type { AcquireOptions, AdoptOptions, CloseOptions, DetachOptions, PermitCount, TryOptions } from './options.js';
import type { LockState } from './state.js';

/** One name of one kind: what `ReadWriteLock.read` and `.write` are. */
export interface Lock<F extends FencingToken = FencingToken> {
  /** What is locked. */
  readonly name: string;
  /** Waits for it and takes it; rejects as `acquire` of `LockManager` does. */
  acquire(options?: AcquireOptions): Promise<Lease<F>>;
  /** Asks once: the lease, or null when somebody else has it. */
  tryAcquire(options?: TryOptions): Promise<Lease<F> | null>;
  /** Runs `task` under it and frees it afterwards; see `withLock` of `LockManager`. */
  withLock<T>(task: Task<Lease<F>, T>): Promise<T>;
  /** The same with options: how long to wait, how long to hold. */
  withLock<T>(options: AcquireOptions, task: Task<Lease<F>, T>): Promise<T>;
  /** Runs `task` if it is free now; else `{ acquired: false }`. */
  tryWithLock<T>(task: Task<Lease<F>, T>): Promise<TryResult<T>>;
  /** The same with options of the lease. */
  tryWithLock<T>(options: TryOptions, task: Task<Lease<F>, T>): Promise<TryResult<T>>;
}

/**
 * Many readers or one writer. A waiting writer is not starved: readers that come after it wait behind it.
 * A read hold's fencing token is above every earlier write's; a resource compares it with the highest *write* token
 * and never records it.
 *
 * @example
 * ```ts
 * import { connect } from 'holdfast';
 *
 * const locks = await connect('memory:');
 * const config = locks.readWriteLock('config');
 * await config.read.withLock(() => console.log('many read at a time'));
 * await config.write.withLock(({ fencingToken }) => console.log(`one writes, with ${fencingToken}`));
 * await locks.close();
 * ```
 */
export interface ReadWriteLock<F extends FencingToken = FencingToken> {
  /** The name of both sides. */
  readonly name: string;
  /** The side for readers: any number of holders at a time. */
  readonly read: Lock<F>;
  /** The side for writers: one holder, and no reader meanwhile. */
  readonly write: Lock<F>;
  /** Who has it now, and how many wait. */
  inspect(): Promise<LockState>;
  /** Takes it away from all who have it; resolves to whether somebody had. See `forceRelease` of `LockManager`. */
  forceRelease(): Promise<boolean>;
}

/**
 * A named thing with a fixed number of permits. Every client of one name must say the same number. A lease of permits has no fencing
 * token, as several hold at a time. A call takes one permit unless its options say how many.
 *
 * @example
 * ```ts
 * import { connect } from 'holdfast';
 *
 * const locks = await connect('memory:');
 * const calls = locks.semaphore('weather-api', { permits: 10 });
 * await calls.withPermits(async ({ signal }) => {
 *   await fetch('data:,sunny', { signal });
 * });
 * await locks.close();
 * ```
 */
export interface Semaphore {
  /** The name of the semaphore. */
  readonly name: string;
  /** How many permits there are in all. */
  readonly permits: number;
  /** Waits for permits and takes them; rejects as `acquire` of `LockManager` does. */
  acquire(options?: AcquireOptions & PermitCount): Promise<PermitLease>;
  /** Asks once: the lease, or null when too few are left. */
  tryAcquire(options?: TryOptions & PermitCount): Promise<PermitLease | null>;
  /** Runs `task` with permits and gives them back afterwards; see `withLock` of `LockManager`. */
  withPermits<T>(task: Task<PermitLease, T>): Promise<T>;
  /** The same with options: how many, how long to wait, how long to hold. */
  withPermits<T>(options: AcquireOptions & PermitCount, task: Task<PermitLease, T>): Promise<T>;
  /** Runs `task` if enough permits are left now; else `{ acquired: false }`. */
  tryWithPermits<T>(task: Task<PermitLease, T>): Promise<TryResult<T>>;
  /** The same with options: how many, and those of the lease. */
  tryWithPermits<T>(options: TryOptions & PermitCount, task: Task<PermitLease, T>): Promise<TryResult<T>>;
  /** Who has permits now, and how many wait. */
  inspect(): Promise<LockState>;
  /** Takes the permits away from all who have some; resolves to whether somebody had. See `forceRelease` of `LockManager`. */
  forceRelease(): Promise<boolean>;
}

/** What a lease is taken with where a call does not say. */
export type LeaseDefaults = Readonly<Required<{ [K in 'ttlMs' | 'renew' | 'maxHoldMs' | 'label']: Exclude<ManagerOptions[K], undefined> }>>;

/** Several names for one call. Not Iterable<string>: a string is iterable too, and would lock its letters. */
export type Names<N extends string> = readonly N[] | ReadonlySet<N>;

/**
 * Locks, semaphores and read/write locks on one store.
 *
 * Every method checks its arguments before any I/O and rejects with LOCK_INVALID_ARGUMENT; every call settles by its
 * own deadline. Names are 1 to 512 bytes of well-formed Unicode; names that differ in any byte are different locks.
 *
 * @example
 * ```ts
 * import { connect } from 'holdfast';
 *
 * const locks = await connect('memory:');
 * const result = await locks.tryWithLock('nightly-report', () => 'written');
 * console.log(result.acquired ? result.value : 'another process writes the report');
 * await locks.close({ drainMs: 10_000 });
 * ```
 */
export interface LockManager<F extends FencingToken = FencingToken> extends AsyncDisposable {
  /** The backend's name. */
  readonly backend: string;
  /** Which manager it is: `managerId` of its events. Unique in the process, and most likely beyond. */
  readonly id: string;
  /** What this store can and cannot do; `require` of `connect` asks for it at the start. */
  readonly capabilities: Capabilities;
  /** The clock that this manager counts by: its option `clock`. For what is built on a manager and waits or measures. */
  readonly clock: Clock;
  /** What a lease of this manager is taken with where a call does not say: the manager's own options, with the defaults filled in. */
  readonly leaseDefaults: LeaseDefaults;

  /**
   * Waits for the lock and takes it.
   *
   * @throws LockTimeoutError LOCK_TIMEOUT when `waitMs` ran out while others held it
   * @throws LockUnavailableError LOCK_BACKEND_UNAVAILABLE when the store did not answer for `unavailableAfterMs`, or
   *   refuses permanently
   * @throws LockReentryError LOCK_REENTRY when the running task waits for what it still holds
   * @throws LockClosedError LOCK_CLOSED when the manager is closed, also while waiting
   * @throws the signal's own reason when `signal` aborts
   */
  acquire(name: string, options?: AcquireOptions): Promise<Lease<F>>;
  /**
   * Asks the store once. Skips the local queue; with a fair backend it is busy while somebody live is queued.
   *
   * @returns the lease, or null when somebody else has it; an unreachable store is never reported as null
   */
  tryAcquire(name: string, options?: TryOptions): Promise<Lease<F> | null>;
  /**
   * Runs `task` under the lock and frees it afterwards. The task's own error always wins; a task that finished after
   * a loss rejects with LOCK_LOST, which carries the task's `outcome`. Hand `lease.signal` to everything that takes a signal.
   *
   * @returns what the task returns
   * @throws whatever the task throws, what `acquire` throws, and LockLostError LOCK_LOST
   */
  withLock<T>(name: string, task: Task<Lease<F>, T>): Promise<T>;
  /** The same with options: how long to wait, how long to hold. */
  withLock<T>(name: string, options: AcquireOptions, task: Task<Lease<F>, T>): Promise<T>;
  /** Like `withLock`, if the lock is free now; else `{ acquired: false }`. */
  tryWithLock<T>(name: string, task: Task<Lease<F>, T>): Promise<TryResult<T>>;
  /** The same with options of the lease. */
  tryWithLock<T>(name: string, options: TryOptions, task: Task<Lease<F>, T>): Promise<TryResult<T>>;

  /**
   * Takes all names or none, in code-unit order whatever the caller's, so that two callers never deadlock. One time
   * budget for all.
   *
   * @throws what `acquire` throws, and LockLostError LOCK_LOST when one is lost while the next is waited for
   */
  acquireAll<const N extends string>(names: Names<N>, options?: AcquireOptions): Promise<LeaseGroup<N, F>>;
  /** Runs `task` under all of them and frees them afterwards; see `acquireAll` and `withLock`. */
  withAll<const N extends string, T>(names: Names<N>, task: Task<LeaseGroup<N, F>, T>): Promise<T>;
  /** The same with options: how long to wait, how long to hold. */
  withAll<const N extends string, T>(names: Names<N>, options: AcquireOptions, task: Task<LeaseGroup<N, F>, T>): Promise<T>;
  /** Takes those that are free, in one round trip. Absent from the map means busy. Rejects, holding nothing, when any answer is unknown. */
  tryAcquireEach<const N extends string>(names: Names<N>, options?: TryOptions): Promise<LeaseMap<N, F>>;

  /**
   * The semaphore `name`, of which `permits` may be held at a time, from 1 to 2^31-1. Sends nothing to the store: keep the object, or call this again, as you like.
   *
   * @throws LockArgumentError at once for a bad name or count; LockUnsupportedError where the backend has no semaphores
   */
  semaphore(name: string, options: { readonly permits: number }): Semaphore;
  /**
   * The read/write lock `name`. Sends nothing to the store.
   *
   * @throws LockArgumentError at once for a bad name; LockUnsupportedError where the backend has no read/write locks
   */
  readWriteLock(name: string): ReadWriteLock<F>;

  /**
   * Lets go of a lease without freeing the hold, so that another process can go on with it: `adopt` takes the ticket. Asks the store once more to
   * keep the hold, for `ttlMs` from now on. Then the lease has ended here: nothing renews it, its signal does not abort, and its `release`
   * frees nothing. Where the ticket is lost the hold ends by itself.
   *
   * Not for the lease of a `with` method's task: that task must not end before its hold.
   *
   * @param lease one of this manager's own, of a lock, of permits, or of a side of a read/write lock
   * @throws LockLostError LOCK_LOST when the lease has ended
   * @throws LockUnavailableError LOCK_BACKEND_UNAVAILABLE when the store did not answer; the lease then stays what it was
   * @throws LockUnsupportedError LOCK_UNSUPPORTED where a hold ends with its session (`capabilities.expiry` 'session'), or the backend cannot
   *   take up such a hold: permits on Redlock, and everything of a migrating manager
   */
  detach(lease: Lease<FencingToken>, options?: DetachOptions): Promise<LeaseTicket>;
  /**
   * Goes on with a hold that `detach` has let go of, in this process or in another, on the same store with the same prefix or namespace. Asks the
   * store whether the hold stands, and renews it. Asks for nothing new: a hold that has ended is not taken once more.
   *
   * A ticket may be adopted again after the next `detach`, or by another process when this one has died. Two processes that have adopted
   * one ticket at the same time hold the lock together: nothing excludes one of them.
   *
   * @returns the lease: a `PermitLease` for permits. Its fencing token is that of the ticket
   * @throws LockLostError LOCK_LOST, reason 'taken', when the hold has ended: by its time, by force, or by a release; and when the store has it
   *   otherwise than the ticket says, with another mode, another number of permits or another fencing token
   * @throws LockUnavailableError LOCK_BACKEND_UNAVAILABLE when the store did not answer; the hold is what it was, and at most kept for another `ttlMs`
   * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a value that is not a ticket, and for a ticket whose hold this manager has already
   * @throws LockUnsupportedError LOCK_UNSUPPORTED as `detach`
   */
  adopt(ticket: LeaseTicket, options?: AdoptOptions): Promise<Lease<F | null>>;

  /** Who holds the lock `name`. Semaphores and read/write locks have their own. */
  inspect(name: string): Promise<LockState>;
  /**
   * The locks, semaphores and read/write locks that are held now and whose names begin with `prefix`.
   *
   * @throws LockUnsupportedError LOCK_UNSUPPORTED where `capabilities.list` is false
   */
  list(options?: { readonly prefix?: string | undefined }): AsyncIterable<LockState>;
  /**
   * Frees the lock `name`, no matter who holds it. The holder learns of it by its next renewal at the latest, and may be at work until then.
   *
   * @returns whether somebody had it
   */
  forceRelease(name: string): Promise<boolean>;
  /** Completion marks, for "this was done already". null where `capabilities.marks` is false. */
  readonly marks: CompletionMarks | null;
  /** Takes and frees a random lock within `timeoutMs` (`commandTimeoutMs` when left out). Never rejects: what failed is in the report. */
  checkHealth(options?: { readonly timeoutMs?: number | undefined }): Promise<HealthReport>;
  /**
   * Refuses new calls, rejects waiters with LOCK_CLOSED, gives holders `drainMs`, then aborts each remaining signal
   * (LOCK_LOST, reason `'closed'`) before it frees the hold, then ends what the backend opened. Releases that are under way are
   * waited for. Idempotent; a later call with a shorter drain cuts the earlier one short.
   *
   * Settles within `drainMs` + `commandTimeoutMs` + 500 ms, also while the store does not answer: what could not be freed by then ends
   * by itself (`capabilities.expiry`). Never rejects but for a bad option.
   */
  close(options?: CloseOptions): Promise<void>;
  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Defaults for every call of one manager; a call's own options win. */
export interface ManagerOptions {
  /**
   * How long the store keeps a hold that nobody renews, in milliseconds; not the longest a task may take (see `maxHoldMs`).
   * @default 30_000
   */
  readonly ttlMs?: number | undefined;
  /**
   * How long a call waits, in milliseconds; 0 is one attempt.
   * @default Infinity
   */
  readonly waitMs?: number | undefined;
  /**
   * Whether leases are renewed at a third of their ttl for as long as they are held.
   * @default true
   */
  readonly renew?: boolean | undefined;
  /**
   * The longest that a lease is held, in milliseconds: then renewal ends and it is lost (reason `'max-hold'`).
   * @default Infinity
   */
  readonly maxHoldMs?: number | undefined;
  /**
   * Who holds it, for people: shown by `inspect` and in the errors of those who wait.
   * @default `${hostname}:${pid}`
   */
  readonly label?: string | undefined;
  /**
   * How long one command to the store may take, in milliseconds; at most a third of the ttl where a lease depends on it.
   * @default 2_000
   */
  readonly commandTimeoutMs?: number | undefined;
  /**
   * After this many milliseconds of nothing but failures a waiting acquire rejects with LOCK_BACKEND_UNAVAILABLE.
   * @default 5_000
   */
  readonly unavailableAfterMs?: number | undefined;
  /** Called with every event. An error that it throws, or a rejection of what it returns, is swallowed. */
  readonly onEvent?: ((event: LockEvent) => unknown) | undefined;
  /**
   * For tests and development: a lock or write lock whose lease ends before anything has read its `fencingToken` causes a warning, once a
   * name, by `process.emitWarning` (code HOLDFAST_UNUSED_TOKEN). `toJSON` does not count as reading.
   * @default false
   */
  readonly warnUnusedTokens?: boolean | undefined;
  /**
   * The holder's clock; a clock other than the machine's is for tests.
   * @default systemClock
   */
  readonly clock?: Clock | undefined;
}
