import { checkValue, isLockError, type Lease, type LockManager, LockUnsupportedError, type ReadWriteLock, rule } from '@holdfast/core';
import { domError, readRequest, type WebLockRequest } from './read-request.js';
import { runUnder } from './run-under.js';
import type { WebLockInfo, WebLockMode, WebLocks, WebLocksSnapshot } from './types.js';

/**
 * The interface of the web's own locks, `navigator.locks`, over a lock manager: for code that was written for it, and for the same interface in the browser
 * and on servers. Every name is the read/write lock of that name, `'shared'` its readers.
 *
 * What differs from the standard is what locks of several processes cannot have. A lock can be lost while its callback runs: the promise of `request`
 * then rejects with LOCK_LOST. Requests are served in their order only where `capabilities.fair`. `steal` is a forced release and then a
 * request like any other, after those that wait already. `pending` of `query` knows this object alone.
 *
 * @param manager stays open when nobody uses the result any more; close it yourself
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a value that is not a lock manager
 * @throws LockUnsupportedError LOCK_UNSUPPORTED where the store has no read/write locks
 *
 * @example
 * ```ts
 * import { connect } from 'holdfast';
 * import { createWebLocks } from 'holdfast/web-locks';
 *
 * const manager = await connect('memory:');
 * const locks = createWebLocks(manager);
 * const saved = await locks.request('catalogue', ({ signal }) => fetch('data:,saved', { signal }));
 * const seen = await locks.request('catalogue', { mode: 'shared', ifAvailable: true }, (lock) => lock !== null);
 * await manager.close();
 * ```
 */
export function createWebLocks(manager: LockManager): WebLocks {
  checkValue('createWebLocks', 'manager', manager, rule.manager);
  if (!manager.capabilities.readWriteLocks) {
    throw new LockUnsupportedError(`createWebLocks: the ${manager.backend} backend has no read/write locks`, {
      backend: manager.backend,
      capability: 'readWriteLocks',
    });
  }
  return new ManagedWebLocks(manager);
}

class ManagedWebLocks implements WebLocks {
  readonly #manager: LockManager;
  readonly #pending = new Set<WebLockRequest>();

  constructor(manager: LockManager) {
    this.#manager = manager;
  }

  get [Symbol.toStringTag](): string {
    return 'LockManager';
  }

  async request<T>(...args: readonly unknown[]): Promise<T> {
    const request = readRequest(args);
    const lease = await this.#take(request);
    if (lease !== null && request.signal?.aborted) {
      // Aborted between the grant and the callback: the callback is not called any more.
      await lease.release().catch(() => {});
      throw request.signal.reason;
    }
    return (await runUnder(lease, request)) as T;
  }

  async query(): Promise<WebLocksSnapshot> {
    const held: WebLockInfo[] = [];
    try {
      for await (const { kind, name, holders } of this.#manager.list()) {
        if (kind !== 'read-write') continue;
        for (const { mode, label } of holders) held.push({ name, mode: modeOf(mode), clientId: label ?? '' });
      }
    } catch (error) {
      throw inTermsOfTheStandard(error);
    }
    const clientId = this.#manager.leaseDefaults.label;
    return { held, pending: [...this.#pending].map(({ name, mode }) => ({ name, mode, clientId })) };
  }

  /** @returns null where it was not available */
  async #take(request: WebLockRequest): Promise<Lease | null> {
    const { name, mode, ifAvailable, steal, signal } = request;
    this.#pending.add(request);
    try {
      const lock: ReadWriteLock = this.#manager.readWriteLock(name);
      const side = mode === 'shared' ? lock.read : lock.write;
      if (ifAvailable) return await side.tryAcquire();
      if (steal) await lock.forceRelease();
      return await side.acquire({ signal, waitMs: Number.POSITIVE_INFINITY });
    } catch (error) {
      // The reason of the caller's own signal is anything that the caller likes.
      throw signal?.aborted && error === signal.reason ? error : inTermsOfTheStandard(error);
    } finally {
      this.#pending.delete(request);
    }
  }
}

function modeOf(mode: string): WebLockMode {
  return mode === 'read' ? 'shared' : 'exclusive';
}

/** What the standard has a name for is reported by that name. */
function inTermsOfTheStandard(error: unknown): unknown {
  if (isLockError(error, 'LOCK_INVALID_ARGUMENT') || isLockError(error, 'LOCK_UNSUPPORTED')) {
    return domError('NotSupportedError', error.message, error);
  }
  return isLockError(error, 'LOCK_CLOSED') ? domError('InvalidStateError', error.message, error) : error;
}
