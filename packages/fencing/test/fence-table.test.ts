import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMemoryLockManager } from '@holdfast/core/memory';
import { type FencedLease, fenceTable, type SqlDialectName } from '@holdfast/fencing';
import { type MariaDbServer, type PostgresServer, startMariaDb, startPostgres } from '@holdfast/test/servers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { libraries } from './libraries.js';

let postgres: PostgresServer;
let mariaDb: MariaDbServer;
const folder = mkdtempSync(join(tmpdir(), 'holdfast-fencing-'));

beforeAll(async () => {
  [postgres, mariaDb] = await Promise.all([startPostgres(), startMariaDb()]);
});
afterAll(async () => {
  await Promise.all([postgres?.close(), mariaDb?.close()]);
  rmSync(folder, { recursive: true, force: true });
});

const addressOf = (dialect: SqlDialectName): string =>
  ({ postgres: postgres.url, mysql: mariaDb.url, sqlite: join(folder, randomUUID()) })[dialect];

const each = Object.entries(libraries).flatMap(([dialect, by]) =>
  Object.entries(by).map(([library, open]) => ({ dialect: dialect as SqlDialectName, library, open })),
);

const lease = (fencingToken: bigint | null, name = 'ledger', more: Partial<FencedLease> = {}): FencedLease => ({
  name,
  fencingToken,
  ...more,
});
const MAX = 2n ** 63n - 1n;

/** A database with a table of its own to write to. */
async function opened({ dialect, open }: (typeof each)[number]) {
  const client = open(addressOf(dialect));
  const [table, rows] = [`fences_${randomUUID().slice(0, 8)}`, `rows_${randomUUID().slice(0, 8)}`];
  const fence = fenceTable({ dialect, table });
  await client.run(fence.sql);
  await client.run(fence.sql);
  await client.run(`create table ${rows} (x int)`);
  const enter = (hold: FencedLease | Iterable<FencedLease>, by = fence): Promise<void> =>
    client.transaction(async (tx, run) => {
      await run(`insert into ${rows} values (1)`);
      await by.enter(tx, hold);
    });
  return { client, fence, table, rows, enter, [Symbol.asyncDispose]: () => client.close() };
}

describe.each(each)('a fence in $dialect by $library', (database) => {
  it('lets tokens rise and stay, and rolls back who comes with a lower one', async () => {
    await using db = await opened(database);
    for (const token of [1n, 5n, 5n, MAX - 1n]) await db.enter(lease(token));
    await expect(db.enter(lease(MAX - 2n))).rejects.toMatchObject({
      code: 'LOCK_STALE_TOKEN',
      lockName: 'ledger',
      fencingToken: MAX - 2n,
      seenToken: MAX - 1n,
    });
    await db.enter(lease(MAX));
    expect(await db.client.number(`select count(*) from ${db.rows}`)).toBe(5);
  });

  it('refuses what is not a transaction of this library', async () => {
    await using db = await opened(database);
    await expect(db.fence.enter(db.client.outside, lease(1n))).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT', option: 'tx' });
    await expect(db.fence.reset(db.client.outside, 'ledger')).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT', option: 'tx' });
  });

  it('compares read holds, and records none', async () => {
    await using db = await opened(database);
    const read = (token: bigint) => lease(token, 'ledger', { kind: 'read-write', mode: 'read' });
    const write = (token: bigint) => lease(token, 'ledger', { kind: 'read-write', mode: 'write' });
    await db.enter(read(9n));
    await db.enter(write(5n));
    await db.enter(read(5n));
    await db.enter(read(7n));
    await db.enter(write(6n));
    await expect(db.enter(read(5n))).rejects.toMatchObject({ code: 'LOCK_STALE_TOKEN', seenToken: 6n });
  });

  it('forgets a name when it is reset, for a move to another store', async () => {
    await using db = await opened(database);
    await db.enter([lease(9n), lease(9n, 'ledger', { kind: 'read-write' })]);
    await db.client.transaction((tx) => db.fence.reset(tx, 'ledger'));
    await db.enter(lease(1n));
    await expect(db.enter(lease(1n, 'ledger', { kind: 'read-write' }))).rejects.toMatchObject({ code: 'LOCK_STALE_TOKEN' });
    await db.client.transaction((tx) => db.fence.reset(tx, 'ledger', { kind: 'read-write' }));
    await db.enter(lease(1n, 'ledger', { kind: 'read-write' }));
  });
});

describe.each([each[0], each.find(({ dialect }) => dialect === 'mysql'), each.find(({ dialect }) => dialect === 'sqlite')])(
  'a fence in $dialect',
  (given) => {
    const database = given as (typeof each)[number];

    it('takes no two names for one, and every name as it is', async () => {
      await using db = await opened(database);
      const names = [
        'a',
        'A',
        'a ',
        'ä',
        'ae',
        "'; drop table x; --",
        'a\0b',
        'a\\',
        '$1',
        '?',
        ':x',
        '🔒',
        'n'.repeat(512),
        'é',
        'e\u0301',
      ];
      for (const [index, name] of names.entries()) await db.enter(lease(BigInt(100 - index), name));
      for (const [index, name] of names.entries()) {
        await db.enter(lease(BigInt(100 - index), name));
        await expect(db.enter(lease(BigInt(99 - index), name))).rejects.toMatchObject({ code: 'LOCK_STALE_TOKEN' });
      }
      const other = fenceTable({ dialect: database.dialect, table: db.table, scope: 'redis-2' });
      await db.enter(lease(1n, 'a'), other);
      await db.enter(lease(1n, 'a', { kind: 'read-write' }));
    });

    it('takes leases as managers give them, one or a group', async () => {
      await using db = await opened(database);
      await using locks = createMemoryLockManager();
      await locks.withLock('ledger', async (held) => {
        await db.enter(held);
        await db.enter(held);
      });
      await locks.withAll(['b', 'a'], (group) => db.enter(group));
      const account = locks.readWriteLock('ledger');
      const late = await account.write.acquire();
      await locks.readWriteLock('ledger').forceRelease();
      await account.write.withLock((held) => db.enter(held));
      await account.read.withLock((held) => db.enter(held));
      await expect(db.enter(late)).rejects.toMatchObject({ code: 'LOCK_STALE_TOKEN' });
    });

    it('refuses leases that have no token, before anything is written', async () => {
      await using db = await opened(database);
      await using locks = createMemoryLockManager();
      const refused = { code: 'LOCK_INVALID_ARGUMENT', option: 'lease.fencingToken' };
      await locks.semaphore('s', { permits: 2 }).withPermits(async (held) => {
        await expect(db.enter(held)).rejects.toMatchObject(refused);
      });
      for (const token of [null, -1n, MAX + 1n, 5 as never, '5' as never])
        await expect(db.enter([lease(9n, 'first'), lease(token)])).rejects.toMatchObject(refused);
      await db.enter(lease(1n, 'first'));
      await expect(db.enter(undefined as never)).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT', option: 'lease' });
      await expect(db.enter({ name: '', fencingToken: 1n })).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT' });
      await expect(db.fence.enter({ find: () => {} }, lease(1n))).rejects.toMatchObject({ option: 'tx' });
      await expect(db.fence.enter(null as never, lease(1n))).rejects.toMatchObject({ option: 'tx' });
    });

    it('goes by what stands in a row that was edited by hand', async () => {
      await using db = await opened(database);
      await db.enter(lease(5n));
      await db.client.run(`update ${db.table} set token = 50`);
      await expect(db.enter(lease(6n))).rejects.toMatchObject({ code: 'LOCK_STALE_TOKEN', seenToken: 50n });
      await expect(db.client.run(`update ${db.table} set token = null`)).rejects.toThrow();
      await expect(db.client.run(`update ${db.table} set token = -1`)).rejects.toThrow();
      await db.client.run(`delete from ${db.table}`);
      await db.enter(lease(6n));
    });
  },
);

describe.each([each[0], each.find(({ dialect }) => dialect === 'mysql')])('transactions in $dialect', (given) => {
  const database = given as (typeof each)[number];

  it('enter one after another: who waited for a later holder is refused', async () => {
    await using db = await opened(database);
    const order: string[] = [];
    let late: Promise<unknown> | undefined;
    await db.client.transaction(async (tx) => {
      await db.fence.enter(tx, lease(10n));
      late = db.enter(lease(9n)).catch((error: unknown) => {
        order.push('refused');
        return error;
      });
      await new Promise((resolve) => setTimeout(resolve, 200));
      order.push('commits');
    });
    expect(await late).toMatchObject({ code: 'LOCK_STALE_TOKEN', seenToken: 10n });
    expect(order).toEqual(['commits', 'refused']);
  });

  it('that are read-only or have failed reject with the driver’s own error', async () => {
    await using db = await opened(database);
    const readOnly = db.client.transaction(async (tx, run) => {
      await run(database.dialect === 'postgres' ? 'set transaction read only' : 'commit');
      if (database.dialect === 'mysql') await run('start transaction read only');
      await db.fence.enter(tx, lease(5n));
    });
    const error: unknown = await readOnly.catch((reason: unknown) => reason);
    expect(error).toMatchObject(database.dialect === 'postgres' ? { code: '25006' } : { errno: 1792 });
    if (database.dialect === 'postgres') {
      const failed = db.client.transaction(async (tx, run) => {
        await run('select 1/0').catch(() => {});
        await db.fence.enter(tx, lease(5n));
      });
      expect(await failed.catch((reason: unknown) => reason)).toMatchObject({ code: '25P02' });
    }
    const missing = fenceTable({ dialect: database.dialect, table: 'not_there' });
    await expect(db.enter(lease(5n), missing)).rejects.toMatchObject(database.dialect === 'postgres' ? { code: '42P01' } : { errno: 1146 });
    await db.enter(lease(1n));
  });
});

describe('fenceTable', () => {
  it('says what is wrong with a table whose tokens are floats', async () => {
    const tx = { query: () => Promise.resolve({ rows: [{ token: '1.796030214175583e+15' }] }) };
    await expect(fenceTable().enter(tx, lease(1_796_030_214_175_583n))).rejects.toThrow(/bigint/);
  });

  it('prints SQL with quoted names, in a schema of its own', async () => {
    const fence = fenceTable({ schema: 'shop"s', table: 'fences' });
    expect(fence.sql).toContain('create table if not exists "shop""s"."fences"');
    const db = libraries.postgres.pg(postgres.url);
    try {
      await db.run(fence.sql);
      await db.transaction((tx) => fence.enter(tx, lease(1n)));
    } finally {
      await db.close();
    }
  });

  it.each([[{ table: '' }], [{ table: 'n'.repeat(64) }], [{ schema: 'a\0' }], [{ dialect: 'oracle' as never }], [{ tabel: 'x' } as never]])(
    'refuses %o',
    (options) => {
      expect(() => fenceTable(options)).toThrow(expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT' }) as Error);
    },
  );
});
