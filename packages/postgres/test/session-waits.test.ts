import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createLockManager, type LockManager, type ManagerOptions } from '@holdfast/core';
import { createPostgresBackend } from '@holdfast/postgres';
import { newName } from '@holdfast/test/backend';
import { type PostgresServer, startPostgres, startTcpProxy, until } from '@holdfast/test/servers';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ReachedOptions, reached } from './reached.js';
import { endsIdleSessions, failure, lossOf, worksAgain } from './sessions.js';

// What takes seconds and does not meet on the server: each test has a server, a line, a process or a session of its own.

let server: PostgresServer;
let admin: pg.Pool;
const raised: unknown[] = [];
const onRaised = (reason: unknown): void => void raised.push(reason);

beforeAll(async () => {
  server = await startPostgres();
  admin = new pg.Pool({ connectionString: server.url, max: 2 });
  admin.on('error', () => {});
  process.on('unhandledRejection', onRaised);
  process.on('uncaughtException', onRaised);
});
afterAll(async () => {
  await admin.end();
  await server.close();
  process.off('unhandledRejection', onRaised);
  process.off('uncaughtException', onRaised);
  expect(raised).toEqual([]);
});

function manager(backend: ReachedOptions = {}, options: ManagerOptions = {}): LockManager {
  return createLockManager(createPostgresBackend(reached(server.url, backend)), options);
}

describe.concurrent('a session that ends', () => {
  it('with a server that is killed, or restarted properly, is reported at once; waiters go on when it is back', async () => {
    await using own = await startPostgres({ config: {} });
    await using locks = manager({ connectionString: own.url });
    await using waiting = manager({ connectionString: own.url }, { unavailableAfterMs: 20_000 });
    for (const harm of [() => own.kill(), () => own.stop()]) {
      const name = newName();
      const lease = await locks.acquire(name, { waitMs: 10_000 });
      const waiter = waiting.acquire(name, { waitMs: 20_000 });
      await until('it waits', async () => (await locks.inspect(name)).waiters === 1);
      await harm();
      expect((await lossOf(lease, 2_000)).reason).toBe('session');
      expect((await failure(locks.tryAcquire(newName()))).retryable).toBe(true);
      await own.restart();
      const next = await waiter;
      expect(next.fencingToken).toBeGreaterThan(lease.fencingToken ?? 0n);
      await next.release();
      await worksAgain(locks);
    }
  });

  it('does not end because it is slow: what was held before a silence of seconds is held after it', async () => {
    await using proxy = await startTcpProxy({ target: server.port });
    await using locks = manager({ connectionString: proxy.urlFor(server.url) });
    const lease = await locks.acquire(newName(), { ttlMs: 30_000 });
    proxy.silence();
    await failure(locks.tryAcquire(newName(), { ttlMs: 30_000 }));
    await failure(lease.extend());
    expect(lease.isHeld).toBe(true);
    await proxy.restore();
    await worksAgain(locks);
    await lease.extend();
    expect(await lease.release()).toBe(true);
  });
});

describe.concurrent('a process that stands still', () => {
  it('loses its locks to others once nobody there can believe in them any more, on PostgreSQL 13 when it goes on', async () => {
    const name = newName();
    const program = `
      import { createPostgresLockManager } from '@holdfast/postgres';
      const locks = createPostgresLockManager(${JSON.stringify({ connectionString: server.url, sessionMs: 2_000 })});
      const lease = await locks.acquire(${JSON.stringify(name)});
      lease.signal.addEventListener('abort', () => {
        console.log('told', lease.signal.reason.reason);
        process.exit(0);
      });
      console.log('held');
      setInterval(() => {}, 1_000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const ended = once(child, 'close');
    try {
      let output = '';
      child.stdout.on('data', (chunk) => (output += String(chunk)));
      await until('it holds the lock', () => output.includes('held'), { timeoutMs: 20_000 });
      child.kill('SIGSTOP');
      const stopped = performance.now();
      await using others = manager();
      if (!(await endsIdleSessions(admin))) {
        await expect(others.acquire(name, { waitMs: 4_000 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' });
        child.kill('SIGCONT');
      }
      const lease = await others.acquire(name, { waitMs: 30_000 });
      // sessionMs and its guard, less what had passed since its last statement.
      expect(performance.now() - stopped).toBeGreaterThan(1_300);
      child.kill('SIGCONT');
      await ended;
      expect(output).toMatch(/told (deadline|session)/);
      expect(await lease.release()).toBe(true);
    } finally {
      child.kill('SIGKILL');
      await ended;
    }
  });

  it('is not taken for one that has nothing to do', async () => {
    const url = new URL(server.url);
    url.searchParams.set('application_name', 'idle');
    const sessions = async (): Promise<readonly { readonly pid: number; readonly late: boolean }[]> => {
      const { rows } = await admin.query<{ readonly pid: number; readonly late: boolean }>(
        `select pid, clock_timestamp() > $1::timestamptz + interval '4 s' as late from pg_stat_activity where application_name = 'idle'`,
        [start],
      );
      return rows;
    };
    const start = new Date();
    await using locks = manager({ connectionString: url.href, sessionMs: 2_000 });
    await worksAgain(locks);
    const [before] = await sessions();
    expect(before).toMatchObject({ late: false });
    await until('it has been idle for longer than its session lasts', async () => (await sessions()).every(({ late }) => late), {
      timeoutMs: 10_000,
    });
    expect(await sessions()).toEqual([{ pid: before?.pid, late: true }]);
  });
});

// Thousands of names keep this process busy, so nothing waits beside these.
describe('a server without room', () => {
  it('for more locks refuses a batch, of which nothing stays, and leaves what is held alone', async () => {
    await using own = await startPostgres({ config: { max_connections: 10, max_locks_per_transaction: 10 } });
    await using locks = manager({ connectionString: own.url }, { commandTimeoutMs: 15_000 });
    const lease = await locks.acquire(newName());
    const names = Array.from({ length: 4_000 }, () => newName());
    const error = await failure(locks.tryAcquireEach(names, { ttlMs: 60_000 }));
    expect(error.message).toContain('max_locks_per_transaction');
    await until('nothing of it is left', async () => {
      const client = new pg.Client({ connectionString: own.url });
      await client.connect();
      const { rows } = await client.query<{ readonly n: number }>(`select count(*)::int as n from pg_locks where locktype = 'advisory'`);
      await client.end();
      return rows[0]?.n === 1;
    });
    await lease.extend();
    expect(await lease.release()).toBe(true);
  });

  it('for more connections is reported as that', async () => {
    await using own = await startPostgres({ config: { max_connections: 4, superuser_reserved_connections: 0, max_wal_senders: 0 } });
    const clients = Array.from({ length: 4 }, () => new pg.Client({ connectionString: own.url }));
    for (const client of clients) await client.connect();
    await using locks = manager({ connectionString: own.url });
    const error = await failure(locks.tryAcquire(newName()));
    expect([error.retryable, error.message]).toEqual([true, expect.stringContaining('53300')]);
    for (const client of clients) await client.end();
    await worksAgain(locks);
  });
});
