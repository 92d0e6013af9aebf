import { type LockBackend, readOptions } from '@holdfast/core';
import { createRedisBackend } from './redis-backend.js';
import { type RedisBackendOptions, redisBackendRules } from './redis-options.js';

/**
 * Opens a backend from a URL: what `connect` of the package `holdfast` calls for the schemes redis, rediss,
 * redis+cluster, rediss+cluster, redis+sentinel and rediss+sentinel.
 *
 * @param options those of `createRedisBackend` but `client` and `url`
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 */
export function openBackend(url: string, options: Omit<RedisBackendOptions, 'client' | 'url'> = {}): LockBackend<bigint> {
  const { client: _client, url: _url, ...rules } = redisBackendRules;
  return createRedisBackend({ ...readOptions('openBackend', options, rules), url });
}
