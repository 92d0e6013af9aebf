import { randomUUID } from 'node:crypto';
import { createLockManager, type LockManager } from '@holdfast/core';
import { createPostgresLockManager, withTransactionLock } from '@holdfast/postgres';
import { startPgBouncer, until } from '@holdfast/test/servers';
import pg from 'pg';
import postgresJs from 'postgres';
import { describe, expect, it } from 'vitest';
import { LockKeys } from '../src/advisory/lock-keys.js';
import { usePostgres } from './postgres-harness.js';

const postgres = usePostgres();

/** A transaction on a connection of its own, which is committed at the end. */
async function inTransaction<T>(body: (client: pg.Client) => Promise<T>, url = postgres.server.url): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query('begin');
    const value = await body(client);
    await client.query('commit');
    return value;
  } finally {
    await client.end();
  }
}

const locksOf = (namespace?: string): LockManager<bigint> => createLockManager(postgres.backend({ namespace }));
const lockTimeout = async (client: pg.Client): Promise<string> =>
  ((await client.query<{ lock_timeout: string }>('show lock_timeout')).rows[0] ?? { lock_timeout: '' }).lock_timeout;

describe('withTransactionLock', () => {
  it('excludes withLock of the same name until the transaction has ended, and is excluded by it', async () => {
    const name = randomUUID();
    const locks = locksOf();
    await inTransaction(async (client) => {
      expect(await withTransactionLock(client, name, async () => 'done')).toBe('done');
      // The task is over, and the transaction is not.
      expect(await locks.tryAcquire(name)).toBeNull();
      expect(await locks.tryAcquire(`${name}-2`).then((lease) => lease?.release())).toBe(true);
    });
    await until('it is free', async () => {
      const lease = await locks.tryAcquire(name);
      await lease?.release();
      return lease !== null;
    });
    await using lease = await locks.acquire(name);
    await inTransaction(async (client) => {
      for (const waitMs of [0, 50]) {
        await expect(withTransactionLock(client, name, { waitMs }, () => expect.unreachable())).rejects.toMatchObject({
          code: 'LOCK_TIMEOUT',
          lockName: name,
          backend: 'postgres',
        });
        // The transaction can be used further.
        await client.query('select 1');
      }
      const waiting = withTransactionLock(client, name, { waitMs: 20_000 }, () => 'mine');
      await until('it waits', async () => (await waitsForAdvisoryLock()) > 0);
      await lease.release();
      expect(await waiting).toBe('mine');
    });
  });

  it('wakes those who wait by the commit, and says nothing where nobody does', async () => {
    const name = randomUUID();
    const locks = locksOf();
    const keys = new LockKeys('', () => undefined);
    const { id, bucket } = keys.of('lock', name);
    const heard: string[] = [];
    const listener = new pg.Client({ connectionString: postgres.server.url });
    await listener.connect();
    listener.on('notification', ({ payload = '' }) => heard.push(payload));
    await listener.query(`listen ${keys.channel(bucket)}`);
    try {
      await inTransaction((client) => withTransactionLock(client, name, () => Promise.resolve()));
      await listener.query('select 1');
      expect(heard).toEqual([]);
      let waiting: Promise<void> | undefined;
      await inTransaction(async (client) => {
        await withTransactionLock(client, name, async () => {
          waiting = locks.withLock(name, () => {});
          await until('it has announced itself', async () => ((await locks.inspect(name)).waiters ?? 0) > 0);
        });
        await listener.query('select 1');
        expect(heard).toEqual([]);
      });
      await until('it is reported', () => heard.includes(id));
      await waiting;
    } finally {
      await listener.end();
    }
  });

  it('leaves the caller’s own lock_timeout in force, before and after a wait that ran out', async () => {
    const name = randomUUID();
    await using lease = await locksOf().acquire(name);
    await inTransaction(async (client) => {
      await client.query("set lock_timeout = '1234ms'");
      await expect(withTransactionLock(client, name, { waitMs: 20 }, () => {})).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' });
      expect(await lockTimeout(client)).toBe('1234ms');
      await client.query("set local lock_timeout = '77ms'");
      await withTransactionLock(client, `${name}-2`, { waitMs: 5_000 }, async () => {
        expect(await lockTimeout(client)).toBe('77ms');
      });
      await client.query('commit');
      expect(await lockTimeout(client)).toBe('1234ms');
    });
    expect(lease.isHeld).toBe(true);
  });

  it('keeps namespaces apart, and goes by keyOf', async () => {
    const name = randomUUID();
    const keyOf = (): bigint => 4_711n;
    await inTransaction(async (client) => {
      await withTransactionLock(client, name, { namespace: 'a' }, async () => {
        expect(
          await locksOf('b')
            .tryAcquire(name)
            .then((lease) => lease?.release()),
        ).toBe(true);
        expect(await locksOf('a').tryAcquire(name)).toBeNull();
      });
      await withTransactionLock(client, name, { keyOf }, async () => {
        const { rows } = await postgres.admin.query('select pg_try_advisory_lock(4711) as taken');
        expect(rows).toEqual([{ taken: false }]);
      });
    });
  });

  it('rejects with what the task throws, and the transaction is the caller’s to end', async () => {
    const failure = new Error('the task failed');
    const name = randomUUID();
    await inTransaction(async (client) => {
      await expect(withTransactionLock(client, name, () => Promise.reject(failure))).rejects.toBe(failure);
      await client.query('select 1');
      await expect(withTransactionLock(client, name, () => client.query('select 1/0'))).rejects.toMatchObject({ code: '22012' });
      await client.query('rollback');
    });
    await (await locksOf().acquire(name, { waitMs: 5_000 })).release();
  });

  it('refuses what is no transaction, and what breaks a rule', async () => {
    const client = new pg.Client({ connectionString: postgres.server.url });
    await client.connect();
    const refused = { code: 'LOCK_INVALID_ARGUMENT', option: 'client' };
    try {
      for (const waitMs of [0, 1_000])
        await expect(withTransactionLock(client, 'x', { waitMs }, () => expect.unreachable())).rejects.toMatchObject(refused);
      await client.query('begin');
      await client.query('select 1/0').catch(() => {});
      await expect(withTransactionLock(client, 'x', () => expect.unreachable())).rejects.toMatchObject(refused);
      await client.query('rollback');
      await expect(withTransactionLock(postgres.admin, 'x', () => expect.unreachable())).rejects.toMatchObject(refused);
      await expect(withTransactionLock({} as never, 'x', () => {})).rejects.toMatchObject(refused);
      await expect(withTransactionLock(client, '', () => {})).rejects.toMatchObject({ option: 'name' });
      await expect(withTransactionLock(client, 'x', { waitMs: -1 }, () => {})).rejects.toMatchObject({ option: 'waitMs' });
      await expect(withTransactionLock(client, 'x', { ttlMs: 1 } as never, () => {})).rejects.toMatchObject({ option: 'ttlMs' });
      await expect(withTransactionLock(client, 'x', undefined as never)).rejects.toMatchObject({ option: 'task' });
    } finally {
      await client.end();
    }
  });

  it('is granted twice to one session that asks twice', async () => {
    const name = randomUUID();
    await inTransaction((client) =>
      withTransactionLock(client, name, () => withTransactionLock(client, name, { waitMs: 0 }, () => Promise.resolve())),
    );
  });

  it('goes with a transaction of postgres.js too', async () => {
    const sql = postgresJs(postgres.server.url, { onnotice: () => {} });
    const name = randomUUID();
    const locks = locksOf();
    try {
      await sql.begin(async (tx) => {
        await withTransactionLock(tx, name, { waitMs: 5_000 }, async () => expect(await locks.tryAcquire(name)).toBeNull());
      });
      await using lease = await locks.acquire(name, { waitMs: 5_000 });
      const answer = await sql.begin(async (tx) => {
        for (const waitMs of [0, 50])
          await expect(withTransactionLock(tx, name, { waitMs }, () => expect.unreachable())).rejects.toMatchObject({
            code: 'LOCK_TIMEOUT',
          });
        return await tx`select ${lease.name} as name, current_setting('lock_timeout') as timeout`;
      });
      expect([...answer]).toEqual([{ name, timeout: '0' }]);
      await expect(withTransactionLock(sql as never, name, () => {})).rejects.toMatchObject({ option: 'client' });
    } finally {
      await sql.end();
    }
  });

  it('works through a pooler of transactions', { timeout: 60_000 }, async () => {
    const name = randomUUID();
    const bouncer = await startPgBouncer({ serverPort: postgres.server.port, mode: 'transaction' });
    await using locks = createPostgresLockManager({ connectionString: postgres.server.url });
    await inTransaction(async (client) => {
      await withTransactionLock(client, name, { waitMs: 5_000 }, async () => {
        expect(await locks.tryAcquire(name)).toBeNull();
      });
    }, bouncer.url);
    await (await locks.acquire(name, { waitMs: 5_000 })).release();
    await bouncer.close();
  });
});

async function waitsForAdvisoryLock(): Promise<number> {
  const { rows } = await postgres.admin.query<{ n: string }>(
    "select count(*) as n from pg_locks where locktype = 'advisory' and not granted",
  );
  return Number(rows[0]?.n ?? 0);
}
