import { checkOptions, createLockManager, type LockManager, type ManagerOptions, managerOptionRules } from '@holdfast/core';
import { createRedisBackend } from './redis-backend.js';
import { type RedisBackendOptions, redisBackendRules } from './redis-options.js';

/** Options of `createRedisLockManager`: those of the backend and of the manager, side by side. */
export type RedisLockManagerOptions = RedisBackendOptions & ManagerOptions;

const rules = { ...managerOptionRules, ...redisBackendRules };

/**
 * A lock manager on one Redis: a server, a master found by Sentinel, or a Cluster. Synchronous: first contact is the
 * first call.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a wrong, missing or unknown option
 */
export function createRedisLockManager(options: RedisLockManagerOptions): LockManager<bigint> {
  checkOptions('createRedisLockManager', options, rules);
  const given = Object.entries(options ?? {});
  const backendOptions = given.filter(([name]) => Object.hasOwn(redisBackendRules, name));
  const managerOptions = given.filter(([name]) => !Object.hasOwn(redisBackendRules, name));
  return createLockManager(createRedisBackend(Object.fromEntries(backendOptions)), Object.fromEntries(managerOptions));
}
