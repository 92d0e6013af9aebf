import type { FencingToken } from '@holdfast/core';

// The names and meanings of these types are those of the standard (https://w3c.github.io/web-locks/), so that what was written for
// `navigator.locks` takes them.

/** `'shared'` is the side of readers of a read/write lock, `'exclusive'` that of the writer. */
export type WebLockMode = 'exclusive' | 'shared';

/** Options of `request`. */
export interface WebLockOptions {
  /** @default 'exclusive' */
  readonly mode?: WebLockMode | undefined;
  /**
   * Ask once: where the lock is not to be had now, the callback is called with null.
   * @default false
   */
  readonly ifAvailable?: boolean | undefined;
  /**
   * Free the lock by force from all who have it, in whatever process, and wait for it. They go on working until they notice.
   * @default false
   */
  readonly steal?: boolean | undefined;
  /** Ends the wait. No effect once the lock is held. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of a request that asks once, and whose callback may be called with null. */
export interface WebLockOnceOptions extends WebLockOptions {
  /** Ask once. */
  readonly ifAvailable: true;
}

/** Options of a request that waits, and whose callback always gets a lock. */
export interface WebLockWaitOptions extends WebLockOptions {
  /** Wait. */
  readonly ifAvailable?: false | undefined;
}

/** A lock that is held: what the callback gets. */
export interface WebLock {
  /** The name that was asked for. */
  readonly name: string;
  /** How it is held. */
  readonly mode: WebLockMode;
  /** Beyond the standard: aborts with a LockLostError when the lock is lost. A lock of other processes too can be lost while it is in use. */
  readonly signal: AbortSignal;
  /** Beyond the standard: rises with every exclusive grant of the name; null where the store has no such tokens. */
  readonly fencingToken: FencingToken;
}

/** What runs under the lock. The lock is held until the promise that it returns settles. `lock` is null only with `ifAvailable`. */
export type WebLockCallback<T, L = WebLock> = (lock: L) => T | PromiseLike<T>;

/** One lock in a snapshot. */
export interface WebLockInfo {
  /** The name that was asked for. */
  readonly name: string;
  /** How it is held, or asked for. */
  readonly mode: WebLockMode;
  /** The label of the manager that has it or waits for it, such as `host:pid`; empty where that is not known. */
  readonly clientId: string;
}

/** What `query` answers. */
export interface WebLocksSnapshot {
  /** What is held in the store now, by whatever process. */
  readonly held: WebLockInfo[];
  /** What is waited for, in the order in which it was asked for: by this object alone. */
  readonly pending: WebLockInfo[];
}

/** The interface of `navigator.locks`. */
export interface WebLocks {
  /**
   * Waits for the lock, runs the callback, and frees the lock.
   *
   * @returns what the callback returns, once the lock has been freed
   * @throws what the callback throws; the reason of `signal`
   * @throws DOMException NotSupportedError for a name that begins with `-`, is empty, longer than 512 bytes or ill-formed, and for options that
   *   exclude each other; InvalidStateError when the manager is closed; AbortError when a `steal` of the same manager took the lock
   * @throws TypeError for arguments of a wrong type
   * @throws LockLostError LOCK_LOST when the lock was lost while the callback ran: at once, while the callback may go on
   * @throws LockUnavailableError LOCK_BACKEND_UNAVAILABLE when the store did not answer, or refused
   */
  request<T>(name: string, callback: WebLockCallback<T>): Promise<T>;
  /** The same with options: with `ifAvailable` the callback may be called with null. */
  request<T>(name: string, options: WebLockOnceOptions, callback: WebLockCallback<T, WebLock | null>): Promise<T>;
  /** The same with options. */
  request<T>(name: string, options: WebLockWaitOptions, callback: WebLockCallback<T>): Promise<T>;
  /** The same with options of which it is not known. */
  request<T>(name: string, options: WebLockOptions, callback: WebLockCallback<T, WebLock | null>): Promise<T>;
  /**
   * Who holds what, and what is waited for.
   *
   * @throws DOMException NotSupportedError where the store cannot list (`capabilities.list` is false); InvalidStateError when the manager is closed
   */
  query(): Promise<WebLocksSnapshot>;
}
