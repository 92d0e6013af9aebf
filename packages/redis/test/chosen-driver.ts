import { env } from 'node:process';
import type { LockBackend, LockManager } from '@holdfast/core';
import {
  createRedisBackend as createBackend,
  createRedisLockManager as createLockManager,
  type RedisBackendOptions,
  type RedisDriver,
  type RedisLockManagerOptions,
} from '@holdfast/redis';

/** The driver of all connections that a test makes by URL: `pnpm test:clients` runs the same tests on each. */
export const chosenDriver = (env['HOLDFAST_TEST_REDIS_DRIVER'] ?? 'ioredis') as RedisDriver;

export function createRedisBackend(options: RedisBackendOptions): LockBackend<bigint> {
  return createBackend(options.url === undefined ? options : { driver: chosenDriver, ...options });
}

export function createRedisLockManager(options: RedisLockManagerOptions): LockManager<bigint> {
  return createLockManager(options.url === undefined ? options : { driver: chosenDriver, ...options });
}
