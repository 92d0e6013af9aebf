import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LockManager } from '@holdfast/core';
import { adaptLegacyLock } from '@holdfast/migration';
import { Redis } from 'ioredis';
import pg from 'pg';

// As docs/migrating-from-home-made.md has them.

/** A column `locked`. The old release reads it under FOR UPDATE; `owner` is new, and the old release does not look at it. */
export function flagLocks(connectionString: string): LockManager<null> {
  const pool = new pg.Pool({ connectionString, max: 4 });
  pool.on('error', () => {});
  const isOne = async (sql: string, values: readonly string[]): Promise<boolean> => (await pool.query(sql, [...values])).rowCount === 1;
  const free = (name: string, token: string): Promise<boolean> =>
    isOne('update flags set locked = false, owner = null where name = $1 and owner = $2 and locked', [name, token]);
  return adaptLegacyLock({
    name: 'flag',
    tryLock: (name: string, { token }) => isOne('update flags set locked = true, owner = $2 where name = $1 and not locked', [name, token]),
    unlock: (name, { token }) => free(name, token),
    undo: free,
    isHeld: (name, { token }) => isOne('select 1 from flags where name = $1 and owner = $2 and locked', [name, token]),
    isLocked: (name) => isOne('select 1 from flags where name = $1 and locked', [name]),
    close: () => pool.end(),
  });
}

const TAKE = `if redis.call('exists', KEYS[1]) == 1 then return 0 end
redis.call('set', KEYS[1], 1, 'PX', ARGV[2]) redis.call('set', KEYS[2], ARGV[1], 'PX', ARGV[2]) return 1`;
const KEEP = `if redis.call('get', KEYS[2]) ~= ARGV[1] or redis.call('exists', KEYS[1]) == 0 then return 0 end
for _, key in ipairs(KEYS) do if redis.call('pttl', key) < tonumber(ARGV[2]) then redis.call('pexpire', key, ARGV[2]) end end return 1`;
const FREE = `if redis.call('get', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('del', KEYS[2]) return redis.call('del', KEYS[1])`;

/** A counter that is 1 or more while somebody has the lock. Who it is stands in a second key, which the old release does not know. */
export function counterLocks(url: string): LockManager<null> {
  const redis = new Redis(url);
  const keysOf = (name: string): [string, string] => [`count:${name}`, `count-owner:${name}`];
  return adaptLegacyLock({
    name: 'counter',
    tryLock: async (name: string, { token, ttlMs }) => (await redis.eval(TAKE, 2, ...keysOf(name), token, ttlMs)) === 1,
    extend: async (name, { token }, ttlMs) => (await redis.eval(KEEP, 2, ...keysOf(name), token, ttlMs)) === 1,
    unlock: async (name, { token }) => (await redis.eval(FREE, 2, ...keysOf(name), token)) === 1,
    undo: (name, token) => redis.eval(FREE, 2, ...keysOf(name), token),
    isLocked: async (name) => (await redis.exists(`count:${name}`)) === 1,
    close: () => redis.quit(),
  });
}

/** A file that must not exist yet. It says who made it; the files of the old release are empty. */
export function fileLocks(directory: string): LockManager<null> {
  const pathOf = (name: string): string => join(directory, `${name}.lock`);
  const ownerOf = (name: string): Promise<string | null> =>
    readFile(pathOf(name), 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return null;
      throw error;
    });
  const free = async (name: string, token: string): Promise<boolean> => {
    if ((await ownerOf(name)) !== token) return false;
    await rm(pathOf(name));
    return true;
  };
  return adaptLegacyLock({
    name: 'file',
    async tryLock(name: string, { token }) {
      await mkdir(directory, { recursive: true });
      const own = join(directory, `${token}.new`);
      await writeFile(own, token);
      try {
        // The file appears with its owner in it, or not at all.
        await link(own, pathOf(name));
        return true;
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return null;
        throw error;
      } finally {
        await rm(own);
      }
    },
    unlock: (name, { token }) => free(name, token),
    undo: free,
    isHeld: async (name, { token }) => (await ownerOf(name)) === token,
    isLocked: async (name) => (await ownerOf(name)) !== null,
  });
}
