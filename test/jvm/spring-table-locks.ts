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

/** The rows of a JdbcLockRegistry, as the guide takes them. Its clock is that of the JVM in UTC, and so `now()` in UTC is asked of the server. */
export function springTableLocks(url: string): LockManager<null> {
  const pool = new pg.Pool({ connectionString: url, max: 4 });
  pool.on('error', () => {});
  const NOW = `(now() at time zone 'utc')`;
  return adaptLegacyLock({
    name: 'spring',
    leaseMs: TTL_MS,
    async tryLock(name: string, { token }) {
      const { rowCount } = await pool.query(
        `insert into int_lock (region, lock_key, client_id, created_date) values ($1, $2, $3, ${NOW})
         on conflict (lock_key, region) do update set client_id = excluded.client_id, created_date = excluded.created_date
         where int_lock.created_date < ${NOW} - $4 * interval '1 ms'`,
        [REGION, keyOf(name), clientOf(token), TTL_MS],
      );
      return rowCount === 1;
    },
    async extend(name, { token }) {
      const { rowCount } = await pool.query(
        `update int_lock set created_date = ${NOW} where region = $1 and lock_key = $2 and client_id = $3`,
        [REGION, keyOf(name), clientOf(token)],
      );
      return rowCount === 1;
    },
    async unlock(name, { token }) {
      const { rowCount } = await pool.query('delete from int_lock where region = $1 and lock_key = $2 and client_id = $3', [
        REGION,
        keyOf(name),
        clientOf(token),
      ]);
      return rowCount === 1;
    },
    undo: (name, token) =>
      pool.query('delete from int_lock where region = $1 and lock_key = $2 and client_id = $3', [REGION, keyOf(name), clientOf(token)]),
    async isLocked(name) {
      const { rowCount } = await pool.query(
        `select 1 from int_lock where region = $1 and lock_key = $2 and created_date >= ${NOW} - $3 * interval '1 ms'`,
        [REGION, keyOf(name), TTL_MS],
      );
      return rowCount === 1;
    },
    close: () => pool.end(),
  });
}
