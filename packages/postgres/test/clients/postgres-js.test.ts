import type { LockManager } from '@holdfast/core';
import { createPostgresLockManager } from '@holdfast/postgres';
import { newName } from '@holdfast/test/backend';
import { startPgBouncer, until } from '@holdfast/test/servers';
import postgres, { type Options } from 'postgres';
import { afterEach, describe, expect, it, onTestFinished } from 'vitest';
import { usePostgres } from '../postgres-harness.js';

const database = usePostgres();

const raised: unknown[] = [];
process.on('uncaughtException', (error) => raised.push(error));
afterEach(() => {
  expect(raised.splice(0)).toEqual([]);
});

interface Opened {
  readonly sql: postgres.Sql;
  readonly locks: LockManager<bigint>;
  /** The server processes that serve it, with what each did last. */
  processes(): Promise<readonly { readonly pid: number; readonly query: string }[]>;
}

function open(options: Options<Record<string, postgres.PostgresType>> = {}, url = database.server.url): Opened {
  const name = newName();
  const sql = postgres(url, { max: 4, onnotice: () => {}, connection: { application_name: name }, ...options });
  const locks = createPostgresLockManager({ sql, sessionMs: 6_000 });
  onTestFinished(async () => {
    await locks.close();
    await sql.end({ timeout: 0 });
  });
  return {
    sql,
    locks,
    processes: async () => {
      const { rows } = await database.admin.query<{ pid: number; query: string }>(
        'select pid, query from pg_stat_activity where application_name = $1 order by pid',
        [name],
      );
      return rows;
    },
  };
}

async function end(processes: readonly { readonly pid: number }[]): Promise<void> {
  for (const { pid } of processes) await database.admin.query('select pg_terminate_backend($1)', [pid]);
}

describe('advisory locks through postgres.js', () => {
  it('of an idle session are lost with it, at once, and nothing is sent on a connection that has closed', async () => {
    const { locks, processes } = open();
    const lease = await locks.acquire(newName());
    await end(await processes());
    await until('the loss is reported', () => lease.signal.aborted, { timeoutMs: 2_000 });
    const next = await locks.acquire(newName(), { waitMs: 10_000 });
    expect(next.fencingToken).toBeGreaterThan(lease.fencingToken);
    expect(await next.release()).toBe(true);
  });

  it('leave sql to its user, with every connection of it and nothing changed in them', async () => {
    const { sql, locks, processes } = open();
    await (await locks.acquire(newName())).release();
    await locks.close();
    const settings = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const one = await sql.reserve();
        const [row] = await one<{ readonly sessionMs: string }[]>`select current_setting('idle_session_timeout') as "sessionMs"`;
        return { one, sessionMs: row?.sessionMs };
      }),
    );
    expect(settings.map(({ sessionMs }) => sessionMs)).toEqual(['0', '0', '0', '0']);
    for (const { one } of settings) one.release();
    await sql.end();
    await until('all have gone', async () => (await processes()).length === 0);
  });

  it('are woken again when the connection that listens has been made anew', async () => {
    const { locks, processes } = open();
    const { locks: others } = open();
    const name = newName();
    const held = await others.acquire(name);
    const first = locks.acquire(name, { waitMs: 20_000 });
    const listeners = async () => (await processes()).filter(({ query }) => /^listen/i.test(query));
    await until('it listens', async () => (await listeners()).length === 1);
    const before = await listeners();
    await end(before);
    await until('it listens anew', async () => (await listeners()).some(({ pid }) => pid !== before[0]?.pid));
    await held.release();
    expect(await (await first).release()).toBe(true);
  });

  it('are freed by force, though the holder hears of it on another connection', async () => {
    const [{ locks }, { locks: others }] = [open(), open()];
    const name = newName();
    const lease = await locks.acquire(name);
    expect(await others.forceRelease(name)).toBe(true);
    await until('the loss is reported', () => lease.signal.aborted);
  });

  it('do not care for types and names of the user', async () => {
    const { locks } = open({ types: { bigint: postgres.BigInt }, transform: postgres.camel, fetch_types: false });
    const lease = await locks.acquire(newName());
    expect(typeof lease.fencingToken).toBe('bigint');
    expect(await lease.release()).toBe(true);
  });

  it('are refused where rows are changed on their way', async () => {
    const { locks } = open({ transform: { row: { from: () => ({}) } } });
    await expect(locks.tryAcquire(newName())).rejects.toMatchObject({
      code: 'LOCK_BACKEND_UNAVAILABLE',
      retryable: false,
      message: expect.stringContaining('transform.row') as string,
    });
  });

  it('are refused permanently by an sql that was ended, and for now by a server that is not there', async () => {
    const { sql, locks } = open();
    await sql.end();
    await expect(locks.acquire(newName())).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: false });
    // Nothing listens on port 1.
    const { locks: elsewhere } = open({}, 'postgres://u:SECRET@127.0.0.1:1/db');
    const error: unknown = await elsewhere.tryAcquire(newName()).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: true });
    expect(JSON.stringify(error)).not.toContain('SECRET');
  });

  it('are refused behind a pooler in transaction mode', async () => {
    const pooler = await startPgBouncer({ serverPort: database.server.port, mode: 'transaction' });
    onTestFinished(() => pooler.close());
    const { locks } = open({ prepare: false }, pooler.url);
    await expect(locks.tryAcquire(newName())).rejects.toMatchObject({
      code: 'LOCK_BACKEND_UNAVAILABLE',
      retryable: false,
      message: expect.stringContaining('pooler') as string,
    });
  });

  it('wait no longer than a call may when all connections of sql are in use', async () => {
    const { sql, locks } = open({ max: 2 });
    const taken = await Promise.all([sql.reserve(), sql.reserve()]);
    await expect(locks.tryAcquire(newName())).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: true });
    for (const one of taken) one.release();
    expect(await (await locks.acquire(newName(), { waitMs: 10_000 })).release()).toBe(true);
  });
});
