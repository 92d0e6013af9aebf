import { createLockManager, type LockManager, type ManagerOptions, managerOptionRules, pickOptions, readOptions } from '@holdfast/core';
import { createRedlockBackend } from './create-redlock-backend.js';
import { type RedlockBackendOptions, redlockBackendRules } from './redlock-options.js';

/** Options of `createRedlockLockManager`: those of the backend and of the manager, side by side. */
export type RedlockLockManagerOptions = RedlockBackendOptions & ManagerOptions;

const rules = { ...managerOptionRules, ...redlockBackendRules };

/**
 * A lock manager on a majority of independent Redis servers. Synchronous: first contact is the first call.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a wrong, missing or unknown option
 *
 * @example
 * ```ts
 * import { createRedlockLockManager } from 'holdfast/redlock';
 *
 * const urls = ['redis://redis-1:6379', 'redis://redis-2:6379', 'redis://redis-3:6379'];
 * const locks = createRedlockLockManager({ urls });
 * await locks.withLock('invoice:42', ({ fencingToken }) => console.log(fencingToken));
 * await locks.close();
 * ```
 */
export function createRedlockLockManager(options: RedlockLockManagerOptions): LockManager<bigint> {
  const given = readOptions('createRedlockLockManager', options, rules);
  return createLockManager(createRedlockBackend(pickOptions(given, redlockBackendRules)), pickOptions(given, managerOptionRules));
}
