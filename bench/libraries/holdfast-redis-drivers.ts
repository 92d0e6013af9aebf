import { createRedisLockManager, type RedisDriver } from '@holdfast/redis';
import type { Library } from '../library.js';
import { ours } from './ours.js';

/** Ours through the other drivers of Redis, beside the row of ioredis. */
export const holdfastRedisDrivers: readonly Library[] = [
  through('redis', 'holdfast-node-redis', 'holdfast, redis'),
  through('iovalkey', 'holdfast-iovalkey', 'holdfast, iovalkey'),
  through('@valkey/valkey-glide', 'holdfast-glide', 'holdfast, Valkey GLIDE'),
];

/** As many as 64 processes start at a time. */
const START_MS = 10_000;

function through(driver: RedisDriver, id: string, title: string): Library {
  const library = ours('redis', { id, title }, (url, ttlMs) => createRedisLockManager({ url, driver, ttlMs, commandTimeoutMs: START_MS }));
  return { ...library, scenarios: ['uncontended', 'in-flight-64', 'handover-8-processes'] };
}
