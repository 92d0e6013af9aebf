import { createLockManager, type LockManager, type ManagerOptions } from '@holdfast/core';
import type { RedisBackendOptions } from '@holdfast/redis';
import { createRedisBackend } from './chosen-driver.js';

/** One more client, in a process that the conformance suite starts. */
export function openClient(options: RedisBackendOptions, managerOptions: ManagerOptions): LockManager {
  return createLockManager(createRedisBackend(options), managerOptions);
}
