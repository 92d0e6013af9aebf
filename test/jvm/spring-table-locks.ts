import { createHash } from 'node:crypto';
import type { LockManager } from '@holdfast/core';
import { adaptLegacyLock } from '@holdfast/migration';
import pg from 'pg';

/** How long a row counts without being renewed: `DefaultLockRepository`'s time to live, 10 s unless it was set. */
const TTL_MS = 10_000;
const REGION = 'DEFAULT';

/** `UUID.nameUUIDFromBytes`: the registry's name for a lock. */
function keyOf(name: string): string {
  const hash = createHash('md5').update(name).digest();
  hash.writeUInt8((hash.readUInt8(6) & 0x0f) | 0x30, 6);
  hash.writeUInt8((hash.readUInt8(8) & 0x3f) | 0x80, 8);
  return hash.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Our 32 hexadecimal digits as the UUID that the column has room for. */
function clientOf(token: string): string {
  return token.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

const NOW = "(now() at time zone 'utc')";
/** The date with which a row counts for a ttl of ours from now on: earlier or later than now by the difference of both. */
const UNTIL = `${NOW} + ($5::float8 - $4::float8) * interval '1 ms'`;

/** The rows of a JdbcLockRegistry, as docs/migrating-from-spring-integration.md has it. */
export function springTableLocks(url: string): LockManager<null> {
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  pool.on('error', () => {});
  const change = async (sql: string, values: readonly unknown[]): Promise<boolean> => (await pool.query(sql, [...values])).rowCount === 1;
  const free = (name: string, token: string): Promise<boolean> =>
    change('delete from int_lock where region = $1 and lock_key = $2 and client_id = $3', [REGION, keyOf(name), clientOf(token)]);
  return adaptLegacyLock({
    name: 'spring',
    tryLock: (name: string, { token, ttlMs }) =>
      change(
        `insert into int_lock (region, lock_key, client_id, created_date) values ($1, $2, $3, ${UNTIL})
         on conflict (lock_key, region) do update set client_id = excluded.client_id, created_date = excluded.created_date
         where int_lock.created_date < ${NOW} - $4::float8 * interval '1 ms'`,
        [REGION, keyOf(name), clientOf(token), TTL_MS, ttlMs],
      ),
    extend: (name, { token }, ttlMs) =>
      change(
        `update int_lock set created_date = greatest(created_date, ${UNTIL})
         where region = $1 and lock_key = $2 and client_id = $3 and created_date >= ${NOW} - $4::float8 * interval '1 ms'`,
        [REGION, keyOf(name), clientOf(token), TTL_MS, ttlMs],
      ),
    unlock: (name, { token }) => free(name, token),
    undo: free,
    isLocked: (name) =>
      change(`select 1 from int_lock where region = $1 and lock_key = $2 and created_date >= ${NOW} - $3::float8 * interval '1 ms'`, [
        REGION,
        keyOf(name),
        TTL_MS,
      ]),
    close: () => pool.end(),
  });
}
