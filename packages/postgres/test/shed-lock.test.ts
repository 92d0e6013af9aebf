import { createLockManager, isLockError, type LockManager } from '@holdfast/core';
import { createPostgresBackend } from '@holdfast/postgres';
import { newName } from '@holdfast/test/backend';
import { until } from '@holdfast/test/servers';
import { afterEach, describe, expect, it } from 'vitest';
import { usePostgres } from './postgres-harness.js';

const postgres = usePostgres();
const open: LockManager[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((locks) => locks.close()));
});

/** A table as ShedLock's documentation has it. */
async function tableOf(type: 'timestamp' | 'timestamptz'): Promise<string> {
  const table = `public.shedlock_${type}_${newName().slice(5)}`;
  await postgres.admin.query(
    `create table ${table} (name varchar(64) primary key, lock_until ${type} not null, locked_at ${type} not null, locked_by varchar(255) not null)`,
  );
  return table;
}

function manager(table: string, connectionString = postgres.server.url): LockManager {
  const locks = createLockManager(createPostgresBackend({ connectionString, strategy: 'table', shedLockTable: table }));
  open.push(locks);
  return locks;
}

/** What ShedLock does on PostgreSQL with `usingDbTime()`, in a session of whatever time zone. */
class JvmService {
  readonly #table: string;
  readonly #now: string;
  readonly #name = `jvm-${newName()}`;

  constructor(table: string, type: string) {
    this.#table = table;
    this.#now = type === 'timestamp' ? `timezone('utc', current_timestamp)` : 'current_timestamp';
  }

  async lock(name: string, forMs: number): Promise<boolean> {
    const { rowCount } = await postgres.admin.query(
      `insert into ${this.#table} as t (name, lock_until, locked_at, locked_by)
       values ($1, ${this.#now} + $2 * interval '1 millisecond', ${this.#now}, $3)
       on conflict (name) do update set lock_until = excluded.lock_until, locked_at = excluded.locked_at, locked_by = excluded.locked_by
       where t.lock_until <= ${this.#now}`,
      [name, forMs, this.#name],
    );
    return rowCount === 1;
  }

  async unlock(name: string): Promise<void> {
    await postgres.admin.query(`update ${this.#table} set lock_until = ${this.#now} where name = $1 and locked_by = $2`, [
      name,
      this.#name,
    ]);
  }
}

describe.each(['timestamp', 'timestamptz'] as const)('a table of ShedLock with %s', (type) => {
  it('lets its users and us exclude each other, both ways, and hand over', async () => {
    const table = await tableOf(type);
    // A session in another time zone must not shift the times.
    const locks = manager(table, `${postgres.server.url}?options=-c%20TimeZone%3DAsia/Tokyo`);
    const jvm = new JvmService(table, type);
    const name = newName();
    const lease = await locks.acquire(name, { ttlMs: 20_000, label: 'node-1' });
    expect(lease.fencingToken).toBe(null);
    expect(await jvm.lock(name, 10_000)).toBe(false);
    expect(await lease.release()).toBe(true);
    expect(await jvm.lock(name, 20_000)).toBe(true);
    expect(await locks.tryAcquire(name)).toBe(null);
    const { holders } = await locks.inspect(name);
    expect(holders[0]?.label).toMatch(/^jvm-/);
    expect(holders[0]?.remainingMs).toBeGreaterThan(10_000);
    expect(holders[0]?.remainingMs).toBeLessThanOrEqual(20_000);
    const waiting = locks.acquire(name, { waitMs: 10_000 });
    await jvm.unlock(name);
    expect(await (await waiting).release()).toBe(true);
  });

  it('is taken over when the time of the other is up, both ways, and a stale release touches nothing', async () => {
    const table = await tableOf(type);
    const locks = manager(table);
    const jvm = new JvmService(table, type);
    const name = newName();
    expect(await jvm.lock(name, 400)).toBe(true);
    const lease = await locks.acquire(name, { ttlMs: 600, renew: false, waitMs: 5_000 });
    await until('the JVM has it', () => jvm.lock(name, 20_000), { timeoutMs: 5_000 });
    expect(lease.isHeld).toBe(false);
    expect(await lease.release()).toBe(false);
    expect(await locks.tryAcquire(name)).toBe(null);
    // What others made is theirs.
    const error: unknown = await locks.forceRelease(name).catch((reason: unknown) => reason);
    expect(isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && error.retryable).toBe(false);
    expect(await jvm.lock(name, 10)).toBe(false);
  });
});

describe('over a table of ShedLock', () => {
  it('there are locks, listings and forced releases of our own, and what it cannot do is said', async () => {
    const table = await tableOf('timestamp');
    const [locks, other] = [manager(table), manager(table)];
    expect(locks.capabilities).toMatchObject({ fencing: false, semaphores: false, readWriteLocks: false, marks: false, expiry: 'ttl' });
    const base = newName();
    const leases = await locks.tryAcquireEach([`${base}/a`, `${base}/b"{}\\`], { ttlMs: 20_000, label: 'label "x"' });
    const listed: string[] = [];
    for await (const { name, holders } of other.list({ prefix: `${base}/` })) {
      listed.push(name);
      expect(holders[0]?.label).toBe('label "x"');
    }
    expect(listed).toEqual([`${base}/a`, `${base}/b"{}\\`]);
    expect(await other.forceRelease(`${base}/a`)).toBe(true);
    expect(await leases.releaseAll()).toBe(1);
    expect(() => locks.semaphore(base, { permits: 2 })).toThrow(expect.objectContaining({ code: 'LOCK_UNSUPPORTED' }));
    // 64 characters are its limit. The one who asked in the same turn of the event loop shares the statement, not its end.
    const [tooLong, withZero, short] = await Promise.allSettled([
      locks.tryAcquire('x'.repeat(65)),
      locks.tryAcquire('\0'),
      locks.tryAcquire(`${base}/c`),
    ]);
    for (const refused of [tooLong, withZero]) expect(refused).toMatchObject({ reason: { code: 'LOCK_INVALID_ARGUMENT', option: 'name' } });
    expect(short).toMatchObject({ status: 'fulfilled', value: { isHeld: true } });
    await expect(manager('public.no_such_table').tryAcquire(base)).rejects.toThrow(/CREATE TABLE/);
  });
});
