import { createLockManager, isLockError, type LockManager } from '@holdfast/core';
import { createPostgresBackend } from '@holdfast/postgres';
import { newName } from '@holdfast/test/backend';
import { until } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { usePostgres } from './postgres-harness.js';

const postgres = usePostgres();

interface TableShape {
  readonly type?: string;
  readonly name?: string;
  readonly key?: string;
  readonly by?: string;
  readonly extra?: string;
  /** After CREATE. */
  readonly kind?: string;
}

let tables = 0;

async function tableOf({
  type = 'timestamp',
  name = 'varchar(64)',
  key = 'primary key',
  by = 'varchar(255)',
  extra = '',
  kind = 'table',
}: TableShape = {}) {
  tables += 1;
  const table = `public.shed_${tables}`;
  await postgres.admin.query(
    `create ${kind} ${table} (name ${name} ${key}, lock_until ${type} not null, locked_at ${type} not null, locked_by ${by} not null ${extra})`,
  );
  return table;
}

function open(shedLockTable: string): LockManager {
  return createLockManager(createPostgresBackend({ connectionString: postgres.server.url, strategy: 'table', shedLockTable }));
}

const sessionNow = (type: string): string => (type.startsWith('timestamptz') ? 'now()' : `timezone('utc', now())`);

const types = ['timestamp(0)', 'timestamptz(0)', 'timestamp(3)', 'timestamptz(1)', 'timestamp'] as const;

describe('times', () => {
  // Each has a table and connections of its own, and waits.
  it.concurrent.each(types)(
    'of type %s never end a lease before its holder has stopped to believe in it, and a released name is free at once',
    async (type) => {
      const table = await tableOf({ type });
      await using locks = open(table);
      await using other = open(table);
      for (let round = 0; round < 6; round++) {
        const name = newName();
        const lease = await locks.acquire(name, { ttlMs: 400, renew: false });
        let early = 0;
        await until('the other has it', async () => {
          const wasHeld = lease.isHeld;
          const taken = await other.tryAcquire(name);
          if (taken === null) return false;
          if (wasHeld && lease.isHeld) early += 1;
          expect(await taken.release()).toBe(true);
          return true;
        });
        expect(early).toBe(0);
        const next = await locks.acquire(name);
        await next.extend();
        expect(await next.release()).toBe(true);
        const after = await other.tryAcquire(name);
        expect(after).not.toBe(null);
        expect(await after?.release()).toBe(true);
      }
    },
  );

  it.each(types)('of type %s that people have written are busy or free, as they say, and listed', async (type) => {
    const table = await tableOf({ type });
    await using locks = open(table);
    const now = sessionNow(type);
    await postgres.admin.query(`insert into ${table} values ('off', 'infinity', ${now}, 'ops'), ('far', '9999-12-31', ${now}, 'ops'),
      ('old', '-infinity', '-infinity', 'ops'), ('past', ${now} - interval '1 hour', ${now}, 'ops')`);
    for (const name of ['off', 'far']) {
      expect(await locks.tryAcquire(name)).toBe(null);
      // Long enough for an answer, without which the store would be unavailable.
      await expect(locks.acquire(name, { waitMs: 500 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' });
    }
    expect((await locks.inspect('off')).holders).toMatchObject([{ label: 'ops', remainingMs: null }]);
    expect((await locks.inspect('far')).holders[0]?.remainingMs).toBeGreaterThan(1e12);
    const listed: string[] = [];
    for await (const { name } of locks.list()) listed.push(name);
    expect(listed).toEqual(['far', 'off']);
    const group = await locks.tryAcquireEach(['off', 'old', 'past', 'new']);
    expect([...group.keys()].sort()).toEqual(['new', 'old', 'past']);
    expect(await group.releaseAll()).toBe(3);
  });
});

describe('a row that somebody changes under its holder', () => {
  it.each([
    ['is deleted', (table: string) => `delete from ${table} where name = $1`],
    ['is given to another', (table: string) => `update ${table} set locked_by = 'ops' where name = $1`],
  ] as const)('%s: its holder is notified, and does not take it back', async (_, change) => {
    const table = await tableOf();
    await using locks = open(table);
    const lease = await locks.acquire(newName(), { ttlMs: 900 });
    await postgres.admin.query(change(table), [lease.name]);
    await until('it is reported', () => lease.signal.aborted, { timeoutMs: 2_000 });
    expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST' });
    expect(await lease.release()).toBe(false);
  });
});

describe('a name that the table cannot hold', () => {
  it('is an invalid argument at once, and neither taken for another nor a hindrance for others of its tick', async () => {
    const table = await tableOf();
    await using locks = open(table);
    const longest = 'a'.repeat(64);
    for (const name of [`${longest} `, `${longest}b`, 'é'.repeat(65), '\u{1F512}'.repeat(65), 'zero\0']) {
      const [wrong, right] = await Promise.allSettled([locks.acquire(name, { waitMs: 20_000 }), locks.tryAcquire(newName())]);
      expect(wrong).toMatchObject({ reason: { code: 'LOCK_INVALID_ARGUMENT', option: 'name' } });
      expect(right).toMatchObject({ status: 'fulfilled', value: { isHeld: true } });
      expect(await locks.inspect(name)).toMatchObject({ held: false });
      expect(await locks.forceRelease(name)).toBe(false);
    }
    for (const name of [longest, '\u{1F512}'.repeat(64), 'ends with spaces  ', 'ends with spaces']) {
      expect(await (await locks.acquire(name)).release()).toBe(true);
    }
    const { rows } = await postgres.admin.query(`select name from ${table} where name like 'ends%' order by 1`);
    expect(rows).toHaveLength(2);
  });

  it('is any of up to 512 bytes where the column sets no limit', async () => {
    await using locks = open(await tableOf({ name: 'text' }));
    expect(await (await locks.acquire('n'.repeat(512))).release()).toBe(true);
  });
});

describe('a table that people have made otherwise', () => {
  it.concurrent.each([
    ['has no key', { key: 'not null' }],
    ['has a key over more than the name', { key: 'not null', extra: ', unique (name, locked_by)' }],
    ['has a further column that must be filled', { extra: ', tenant text not null' }],
    ['has no room for an owner', { by: 'varchar(40)' }],
    ['has names that are padded', { name: 'char(64)' }],
    ['has other times', { type: 'date' }],
    ['has other times by number', { type: 'bigint' }],
    ['is emptied by a crash', { kind: 'unlogged table' }],
  ] as const)('%s: is refused at once and permanently, with the reason', async (_, shape) => {
    await using locks = open(await tableOf(shape));
    const start = performance.now();
    const error: unknown = await locks.acquire(newName(), { waitMs: 20_000 }).catch((reason: unknown) => reason);
    expect(isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && error.retryable).toBe(false);
    expect(String((error as Error).message)).toMatch(/is no table of ShedLock: it .*CREATE TABLE/);
    expect(performance.now() - start).toBeLessThan(10_000);
  });

  it.each([
    ['has a unique index for a key', { key: 'not null unique' }],
    [
      'has further columns that fill themselves',
      { extra: `, tenant text not null default 'x', id int generated always as identity, note text` },
    ],
    ['has a narrow locked_by', { by: 'varchar(45)' }],
  ] as const)('%s: works', async (_, shape) => {
    await using locks = open(await tableOf(shape));
    const lease = await locks.acquire(newName(), { label: 'a long label of its holder' });
    await lease.extend();
    expect((await locks.inspect(lease.name)).holders[0]?.label).toMatch(/^a l/);
    expect(await lease.release()).toBe(true);
  });

  it('goes by its name in lower case, where there is none as it is written', async () => {
    const table = await tableOf();
    await using locks = open(table.replace('public.', '').toUpperCase());
    expect(await (await locks.acquire(newName())).release()).toBe(true);
  });

  it('is looked at anew when it was changed', async () => {
    const table = await tableOf({ type: 'timestamp(0)' });
    await using locks = open(table);
    await (await locks.acquire('x')).release();
    await postgres.admin.query(`alter table ${table} alter lock_until type timestamptz, alter locked_at type timestamptz`);
    await until('it works again', async () => (await locks.tryAcquire('y').catch(() => null)) !== null);
    await postgres.admin.query(`drop table ${table}`);
    await until('it is refused permanently', async () => {
      const error: unknown = await locks.tryAcquire('z').catch((reason: unknown) => reason);
      return isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && !error.retryable;
    });
  });
});
