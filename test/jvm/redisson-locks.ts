import type { LockManager } from '@holdfast/core';
import { adaptLegacyLock, type LegacyRequest } from '@holdfast/migration';
import { Redis } from 'ioredis';

// As docs/migrating-from-redisson.md has it. ARGV: token, ttl, permits, limit; what a script does not need it leaves alone.

/** An RLock or RFencedLock is a hash: one field, the owner, whose value counts its re-entries; its expiry is the lease. */
const LOCK = {
  take: `if redis.call('exists', KEYS[1]) == 1 and redis.call('hexists', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('hset', KEYS[1], ARGV[1], 1) redis.call('pexpire', KEYS[1], ARGV[2]) return 1`,
  keep: `if redis.call('hexists', KEYS[1], ARGV[1]) == 0 then return 0 end
if redis.call('pttl', KEYS[1]) < tonumber(ARGV[2]) then redis.call('pexpire', KEYS[1], ARGV[2]) end return 1`,
  free: `if redis.call('hexists', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('del', KEYS[1]) redis.call('publish', KEYS[2], 0) return 1`,
  keysOf: (name: string) => [name, `redisson_lock__channel:{${name}}`],
};

/** The same hash with a field "mode". A reader has a key of its own besides, by which Redisson knows how long it reads at most. */
const WRITE = {
  take: `if redis.call('exists', KEYS[1]) == 1 then return 0 end
redis.call('hset', KEYS[1], 'mode', 'write', ARGV[1], 1) redis.call('pexpire', KEYS[1], ARGV[2]) return 1`,
  keep: LOCK.keep,
  // 1 wakes all readers, 0 one waiter.
  free: `if redis.call('hexists', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('del', KEYS[1]) redis.call('publish', KEYS[2], 1) return 1`,
  keysOf: (name: string) => [name, `redisson_rwlock:{${name}}`],
};

const READ = {
  take: `if redis.call('hget', KEYS[1], 'mode') == 'write' then return 0 end
redis.call('hset', KEYS[1], 'mode', 'read', ARGV[1], 1) redis.call('set', KEYS[3], 1, 'PX', ARGV[2])
if redis.call('pttl', KEYS[1]) < tonumber(ARGV[2]) then redis.call('pexpire', KEYS[1], ARGV[2]) end return 1`,
  keep: `if redis.call('hexists', KEYS[1], ARGV[1]) == 0 then return 0 end
for _, key in ipairs({ KEYS[1], KEYS[3] }) do
  if redis.call('pttl', key) < tonumber(ARGV[2]) then redis.call('pexpire', key, ARGV[2]) end
end return 1`,
  free: `if redis.call('hdel', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('del', KEYS[3])
if redis.call('hlen', KEYS[1]) == 1 then redis.call('del', KEYS[1]) redis.call('publish', KEYS[2], 0) end return 1`,
  keysOf: (name: string, token: string) => [...WRITE.keysOf(name), `{${name}}:${token}:rwlock_timeout:1`],
};

/** An RSemaphore is the number of free permits. A hash of ours says who of us has how many, and until when. */
const PERMITS = {
  take: `local time = redis.call('time') local now = time[1] * 1000 + math.floor(time[2] / 1000)
if redis.call('exists', KEYS[1]) == 0 then redis.call('set', KEYS[1], ARGV[4]) end
local held = redis.call('hgetall', KEYS[3])
for i = 1, #held, 2 do
  local permits, till = string.match(held[i + 1], '(%d+):(%d+)')
  if tonumber(till) < now then redis.call('hdel', KEYS[3], held[i]) redis.call('incrby', KEYS[1], permits) end
end
if tonumber(redis.call('get', KEYS[1])) < tonumber(ARGV[3]) then return 0 end
redis.call('decrby', KEYS[1], ARGV[3]) redis.call('hset', KEYS[3], ARGV[1], ARGV[3] .. ':' .. string.format('%.0f', now + ARGV[2])) return 1`,
  keep: `local held = redis.call('hget', KEYS[3], ARGV[1]) if not held then return 0 end
local time = redis.call('time') local now = time[1] * 1000 + math.floor(time[2] / 1000)
local permits, till = string.match(held, '(%d+):(%d+)')
redis.call('hset', KEYS[3], ARGV[1], permits .. ':' .. string.format('%.0f', math.max(tonumber(till), now + ARGV[2]))) return 1`,
  free: `local held = redis.call('hget', KEYS[3], ARGV[1]) if not held then return 0 end
redis.call('hdel', KEYS[3], ARGV[1])
redis.call('publish', KEYS[2], redis.call('incrby', KEYS[1], string.match(held, '(%d+):'))) return 1`,
  keysOf: (name: string) => [name, `redisson_sc:{${name}}`, `{${name}}:node`],
};

const SCRIPTS = { exclusive: LOCK, write: WRITE, read: READ, permits: PERMITS };

/** Redisson's locks, semaphores and read/write locks, as the guide takes them. Different kinds have different names, as Redisson asks for. */
export function redissonLocks(url: string): LockManager<null> {
  const redis = new Redis(url);
  type Asked = Pick<LegacyRequest, 'mode' | 'token' | 'permits'>;
  const run = async (step: 'take' | 'keep' | 'free', name: string, { mode, token, permits }: Asked, ttlMs = 0, limit = 0) => {
    const { [step]: script, keysOf } = SCRIPTS[mode];
    const keys = keysOf(name, token);
    return (await redis.eval(script, keys.length, ...keys, token, ttlMs, permits, limit)) === 1;
  };
  return adaptLegacyLock({
    name: 'redisson',
    also: ['semaphore', 'read-write'],
    tryLock: (name: string, request) => run('take', name, request, request.ttlMs, request.limit),
    extend: (name, hold, ttlMs) => run('keep', name, hold, ttlMs),
    unlock: (name, hold) => run('free', name, hold),
    undo: (name, _, request) => run('free', name, request),
    isLocked: async (name) => (await redis.exists(name)) === 1,
    forceUnlock: async (name) => (await redis.del(name)) === 1,
    close: () => redis.quit(),
  });
}
