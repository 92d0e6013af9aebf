import { createLockManager, isLockError } from '@holdfast/core';
import { createPostgresBackend } from '@holdfast/postgres';
import { newName } from '@holdfast/test/backend';
import { type PgBouncer, type PgBouncerOptions, type PostgresServer, startPgBouncer, startPostgres, until } from '@holdfast/test/servers';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Settings } from './reached.js';

/** What every setting is in a session that nobody has touched. */
const CHANGED = `SELECT name, setting FROM pg_settings WHERE source = 'session' AND name NOT IN ('client_encoding', 'application_name')`;

let server: PostgresServer;
let admin: pg.Pool;

beforeAll(async () => {
  server = await startPostgres({ config: {} });
  admin = new pg.Pool({ connectionString: server.url, max: 2 });
  // What the application relies on, and no session of locks can have.
  await admin.query(`ALTER ROLE postgres SET statement_timeout = '30s'; ALTER ROLE postgres SET lock_timeout = '5s';
    ALTER ROLE postgres SET idle_in_transaction_session_timeout = '1min'`);
});
afterAll(async () => {
  await admin?.end();
  await server?.close();
});

async function pooler(options: Omit<PgBouncerOptions, 'serverPort'>): Promise<PgBouncer> {
  return startPgBouncer({ serverPort: server.port, ...options });
}

/** What the next clients of every server connection of a pooler would find there. */
async function leftBehind(url: string, connections: number): Promise<readonly unknown[]> {
  const clients = Array.from({ length: connections }, () => new pg.Client({ connectionString: url }));
  for (const client of clients) client.on('error', () => {});
  for (const client of clients) await client.connect();
  try {
    // Their transactions are open at the same time, so that each has a server connection of its own.
    for (const client of clients) await client.query('BEGIN');
    const found: unknown[] = [];
    for (const client of clients) {
      for (const text of [
        CHANGED,
        'SELECT pg_listening_channels()',
        `SELECT mode FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()`,
      ]) {
        const { rows } = await client.query<Readonly<Record<string, unknown>>>(text);
        found.push(...rows);
      }
      await client.query('COMMIT');
    }
    return found;
  } finally {
    for (const client of clients) await client.end();
  }
}

describe('a session behind a pooler', () => {
  it.each(['session', 'transaction'] as const)('that is refused (%s mode) is left as it was', async (mode) => {
    // No reset query: nobody but us would put it back.
    await using pooled = await pooler({ mode, poolSize: 1, resetQuery: '' });
    await using locks = managerAt(pooled.url);
    const error: unknown = await locks.acquire(newName(), { waitMs: 3_000 }).catch((reason: unknown) => reason);
    expect(isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && error.retryable).toBe(false);
    expect(await leftBehind(pooled.url, 1)).toEqual([]);
  });

  it.each(['session', 'transaction'] as const)('that was used (%s mode, without a reset query) is put back on close', async (mode) => {
    await using pooled = await pooler({ mode, poolSize: 1, resetQuery: '' });
    await using direct = managerAt(server.url);
    const locks = managerAt(pooled.url, { pooler: 'session' });
    const name = newName();
    const contested = await direct.acquire(newName());
    // A held lease, permits, a read lock, and somebody who waits: all of it stands in the session.
    const lease = await locks.acquire(name);
    await locks.semaphore(name, { permits: 3 }).acquire({ permits: 2 });
    await locks.readWriteLock(name).read.acquire();
    const waiting = locks.acquire(contested.name, { waitMs: 20_000 }).catch(() => null);
    // How many wait is not known of a session that a pooler hands out by the transaction: no question reaches it.
    const expected = mode === 'session' ? 1 : null;
    await until('somebody waits', async () => (await direct.inspect(contested.name)).waiters === expected);
    expect(lease.isHeld).toBe(true);
    await locks.close();
    await waiting;
    expect(await leftBehind(pooled.url, 1)).toEqual([]);
  });

  it('keeps what a client before had set, and gets that back', async () => {
    await using pooled = await pooler({ mode: 'transaction', poolSize: 1, resetQuery: '' });
    const client = new pg.Client({ connectionString: pooled.url });
    await client.connect();
    await client.query(`SET statement_timeout = '7s'`);
    const locks = managerAt(pooled.url, { pooler: 'session' });
    await locks.acquire(newName());
    await locks.close();
    expect((await client.query('SHOW statement_timeout')).rows).toEqual([{ statement_timeout: '7s' }]);
    await client.end();
  });

  it('that the pooler took away is not handed to others with our settings and locks', async () => {
    await using pooled = await pooler({ mode: 'transaction', poolSize: 3 });
    const clients = Array.from({ length: 2 }, () => new pg.Client({ connectionString: pooled.url }));
    // A client that is handed the server process in the instant of its end hears of that.
    for (const client of clients) client.on('error', () => {});
    for (const client of clients) await client.connect();
    await using locks = managerAt(pooled.url, { pooler: 'session' });
    const lease = await locks.acquire(newName(), { ttlMs: 3_000 });
    const lost = new Promise((resolve) => lease.signal.addEventListener('abort', resolve));
    // They take the server connection that has served us, and then leave it.
    for (const client of clients) await client.query('BEGIN; SELECT 1');
    await lost;
    // The one who is in it is left alone.
    for (const client of clients) await client.query('SELECT 1; COMMIT');
    await until('nothing is left', async () => (await leftBehind(pooled.url, 3)).length === 0, { timeoutMs: 5_000 });
    for (const client of clients) await client.end();
  });

  it.each(['session', 'transaction'] as const)('is not needed by leases in a table, which change nothing (%s mode)', async (mode) => {
    await using pooled = await pooler({ mode, poolSize: 4, resetQuery: '' });
    await using locks = managerAt(pooled.url, { strategy: 'table' });
    const lease = await locks.acquire(newName());
    await lease.extend();
    await locks.marks?.set(newName(), { retentionMs: 1_000 });
    expect(await lease.release()).toBe(true);
    await locks.close();
    expect(await leftBehind(pooled.url, 4)).toEqual([]);
  });
});

function managerAt(connectionString: string, options: Settings = {}) {
  return createLockManager(createPostgresBackend({ connectionString, ...options }));
}
