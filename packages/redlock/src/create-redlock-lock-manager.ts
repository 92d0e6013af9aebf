import { checkOptions, createLockManager, type LockManager, type ManagerOptions, managerOptionRules } from '@holdfast/core';
import { createRedlockBackend } from './create-redlock-backend.js';
import { type RedlockBackendOptions, redlockBackendRules } from './redlock-options.js';

/** Options of `createRedlockLockManager`: those of the backend and of the manager, side by side. */
export type RedlockLockManagerOptions = RedlockBackendOptions & ManagerOptions;

const rules = { ...managerOptionRules, ...redlockBackendRules };

/**
 * A lock manager on a majority of independent Redis servers. Synchronous: first contact is the first call.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a wrong, missing or unknown option
 */
export function createRedlockLockManager(options: RedlockLockManagerOptions): LockManager<bigint> {
  checkOptions('createRedlockLockManager', options, rules);
  const given = Object.entries(options ?? {});
  const backendOptions = given.filter(([name]) => Object.hasOwn(redlockBackendRules, name));
  const managerOptions = given.filter(([name]) => !Object.hasOwn(redlockBackendRules, name));
  return createLockManager(createRedlockBackend(Object.fromEntries(backendOptions)), Object.fromEntries(managerOptions));
}
