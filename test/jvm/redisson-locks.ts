import type { LockManager } from '@holdfast/core';
import { adaptLegacyLock } from '@holdfast/migration';
import { Redis } from 'ioredis';

// As docs/migrating-from-redisson.md has it.
const TAKE = `if redis.call('exists', KEYS[1]) == 1 and redis.call('hexists', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('hset', KEYS[1], ARGV[1], 1) redis.call('pexpire', KEYS[1], ARGV[2]) return 1`;
const KEEP = `if redis.call('hexists', KEYS[1], ARGV[1]) == 0 then return 0 end
if redis.call('pttl', KEYS[1]) < tonumber(ARGV[2]) then redis.call('pexpire', KEYS[1], ARGV[2]) end return 1`;
const FREE = `if redis.call('hexists', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('del', KEYS[1]) redis.call('publish', 'redisson_lock__channel:{' .. KEYS[1] .. '}', '0') return 1`;

/** The hash of an RLock or RFencedLock, as the guide takes it. */
export function redissonLocks(url: string): LockManager<null> {
  const redis = new Redis(url);
  return adaptLegacyLock({
    name: 'redisson',
    tryLock: async (name: string, { token, ttlMs }) => (await redis.eval(TAKE, 1, name, token, ttlMs)) === 1,
    extend: async (name, { token }, ttlMs) => (await redis.eval(KEEP, 1, name, token, ttlMs)) === 1,
    unlock: async (name, { token }) => (await redis.eval(FREE, 1, name, token)) === 1,
    undo: (name, token) => redis.eval(FREE, 1, name, token),
    isLocked: async (name) => (await redis.exists(name)) === 1,
    forceUnlock: async (name) => (await redis.del(name)) === 1,
    close: () => redis.quit(),
  });
}
