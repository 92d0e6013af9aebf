import { fenceColumn } from '@holdfast/fencing';
import { type MariaDbServer, type PostgresServer, startMariaDb, startPostgres } from '@holdfast/test/servers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Client, libraries } from './libraries.js';

let postgres: PostgresServer;
let mariaDb: MariaDbServer;

beforeAll(async () => {
  [postgres, mariaDb] = await Promise.all([startPostgres(), startMariaDb()]);
});
afterAll(async () => {
  await Promise.all([postgres?.close(), mariaDb?.close()]);
});

const held = (fencingToken: bigint) => ({ name: 'account:7', fencingToken });

const clients: readonly (readonly [string, () => Client])[] = [
  ['postgres', () => libraries.postgres.pg(postgres.url)],
  ['mysql', () => libraries.mysql.mysql2(mariaDb.url)],
  ['sqlite', () => libraries.sqlite.libsql(':memory:')],
];

describe.each(clients)('a column in %s', (_, open) => {
  it('lets one statement write and compare', async () => {
    const db = open();
    const fence = fenceColumn({ dialect: db.dialect, table: 'accounts' });
    try {
      await db.run('drop table if exists accounts');
      await db.run('create table accounts (id int primary key, balance int not null)');
      await db.run(`alter table accounts add column ${fence.sql}`);
      await db.run('insert into accounts (id, balance) values (7, 100)');
      const update = async (token: bigint, balance: number): Promise<void> => {
        const lease = held(token);
        await db.run(`update accounts set balance = ${balance}, ${fence.set(lease)} where id = 7 and ${fence.condition(lease)}`);
      };
      const balance = (): Promise<number> => db.number('select balance from accounts where id = 7');
      await update(5n, 1);
      await update(5n, 2);
      await update(4n, 3);
      expect(await balance()).toBe(2);
      // Beyond what a double can tell apart.
      await update(2n ** 63n - 1n, 4);
      await update(2n ** 63n - 2n, 5);
      expect(await balance()).toBe(4);
    } finally {
      await db.close();
    }
  });
});

describe('fenceColumn', () => {
  it('tells of a later holder by the token that was read', () => {
    const fence = fenceColumn();
    expect(() => fence.check(held(4n), '5')).toThrow(expect.objectContaining({ code: 'LOCK_STALE_TOKEN', seenToken: 5n }) as Error);
    for (const seen of [4n, 4, '4', 3, null]) fence.check(held(4n), seen);
    for (const seen of [2 ** 53, 1.5, 'x', ''])
      expect(() => fence.check(held(4n), seen)).toThrow(expect.objectContaining({ option: 'seenToken' }) as Error);
  });

  it('gives no assignment for a read hold, and nothing for a lease without a token', () => {
    const fence = fenceColumn({ column: 'a"b', dialect: 'postgres' });
    const read = { ...held(4n), kind: 'read-write', mode: 'read' } as const;
    expect(fence.condition(read)).toBe('("a""b" is null or "a""b" <= 4)');
    expect(() => fence.set(read)).toThrow(expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT' }) as Error);
    expect(() => fence.condition({ name: 'x', fencingToken: null })).toThrow(
      expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT' }) as Error,
    );
    expect(fenceColumn({ dialect: 'mysql' }).set(held(7n))).toBe('`fencing_token` = 7');
  });
});
