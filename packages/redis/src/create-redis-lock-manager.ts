import { createLockManager, type LockManager, type ManagerOptions, managerOptionRules, pickOptions, readOptions } from '@holdfast/core';
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
 *
 * @example
 * ```ts
 * import { createRedisLockManager } from 'holdfast/redis';
 *
 * const locks = createRedisLockManager({ url: 'redis://localhost:6379', prefix: 'shop:' });
 * await locks.withLock('invoice:42', ({ fencingToken }) => console.log(fencingToken));
 * await locks.close();
 * ```
 */
export function createRedisLockManager(options: RedisLockManagerOptions): LockManager<bigint> {
  const given = readOptions('createRedisLockManager', options, rules);
  return createLockManager(createRedisBackend(pickOptions(given, redisBackendRules)), pickOptions(given, managerOptionRules));
}
