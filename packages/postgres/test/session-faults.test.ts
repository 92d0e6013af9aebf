import { createLockManager, type LockManager, type ManagerOptions } from '@holdfast/core';
import { createPostgresBackend } from '@holdfast/postgres';
import { newName } from '@holdfast/test/backend';
import { type PostgresServer, startPostgres, startTcpProxy, until } from '@holdfast/test/servers';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type ReachedOptions, reached } from './reached.js';
import { endsIdleSessions, failure, lossOf, worksAgain } from './sessions.js';

let server: PostgresServer;
let admin: pg.Pool;
const raised: unknown[] = [];
const onRaised = (reason: unknown): void => void raised.push(reason);
const open: { close(): Promise<unknown> }[] = [];

beforeAll(async () => {
  server = await startPostgres({ config: { max_connections: 30 } });
  admin = new pg.Pool({ connectionString: server.url, max: 2 });
  admin.on('error', () => {});
});
afterAll(async () => {
  await admin.end();
  await server.close();
});
beforeEach(() => {
  raised.length = 0;
  process.on('unhandledRejection', onRaised);
  process.on('uncaughtException', onRaised);
});
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
  process.off('unhandledRejection', onRaised);
  process.off('uncaughtException', onRaised);
  expect(raised).toEqual([]);
});

function manager(backend: ReachedOptions = {}, options: ManagerOptions = {}): LockManager {
  const made = createLockManager(createPostgresBackend(reached(server.url, backend)), options);
  open.push(made);
  return made;
}

/** The server processes of Holdfast's own connections that hold advisory locks. */
async function holdingProcesses(): Promise<readonly number[]> {
  const { rows } = await admin.query<{ readonly pid: number }>(
    `select distinct pid from pg_locks where locktype = 'advisory' and pid <> pg_backend_pid()`,
  );
  return rows.map(({ pid }) => pid);
}

describe('a session that ends', () => {
  it('by an administrator is reported at once, for all its leases, and the next lease has a higher token', async () => {
    const locks = manager();
    const names = [newName(), newName()] as const;
    const leases = [await locks.acquire(names[0]), await locks.acquire(names[1])];
    for (const pid of await holdingProcesses()) await admin.query('select pg_terminate_backend($1)', [pid]);
    for (const lease of leases) expect((await lossOf(lease, 2_000)).reason).toBe('session');
    const other = manager();
    const next = await other.acquire(names[0], { waitMs: 5_000 });
    expect(next.fencingToken).toBeGreaterThan(leases[0]?.fencingToken ?? 0n);
    await expect(leases[0]?.release()).resolves.toBe(false);
    expect(next.isHeld).toBe(true);
    await worksAgain(locks);
  });

  it('without a word is reported by the deadline, and the manager goes on over another session', async () => {
    const locks = manager({ sessionMs: 4_000 }, { unavailableAfterMs: 20_000 });
    const name = newName();
    const lease = await locks.acquire(name, { ttlMs: 30_000 });
    const pids = await holdingProcesses();
    expect(pids).toHaveLength(1);
    // Only this process of the server stands still, as behind a connection that is half open.
    const start = performance.now();
    if (server.source === 'binary') for (const pid of pids) process.kill(pid, 'SIGSTOP');
    else await server.pause();
    try {
      const taken = locks.acquire(newName(), { waitMs: 15_000 });
      const lost = await lossOf(lease, 7_500);
      expect(lost.reason).toMatch(/deadline|session/);
      if (server.source === 'binary') {
        expect(await (await taken).release()).toBe(true);
        expect(performance.now() - start).toBeLessThan(12_000);
      }
    } finally {
      if (server.source === 'binary') for (const pid of pids) process.kill(pid, 'SIGCONT');
      else await server.continue();
    }
    const next = await locks.acquire(name, { waitMs: 10_000 });
    expect(next.fencingToken).toBeGreaterThan(lease.fencingToken ?? 0n);
  });

  it('because the network was cut is reported at once', async () => {
    await using proxy = await startTcpProxy({ target: server.port });
    const locks = manager({ connectionString: proxy.urlFor(server.url) });
    const lease = await locks.acquire(newName());
    await proxy.refuse();
    expect((await lossOf(lease, 3_000)).reason).toBe('session');
    expect((await failure(locks.tryAcquire(newName()))).retryable).toBe(true);
    await proxy.restore();
    await worksAgain(locks);
    for (const one of open.splice(0)) await one.close();
  });
});

describe('a lease that is not renewed', () => {
  it('ends at its deadline by an unlock, and is verified before', async () => {
    const locks = manager();
    const other = manager();
    const lease = await locks.acquire(newName(), { ttlMs: 700, renew: false });
    const next = await other.acquire(lease.name, { waitMs: 5_000 });
    expect(lease.isHeld).toBe(false);
    expect(lease.signal.reason).toMatchObject({ reason: 'deadline' });
    expect(next.isHeld).toBe(true);
  });
});

describe('a heartbeat', () => {
  it('notices keys that the server does not have any more', async () => {
    const pool = new pg.Pool({ connectionString: server.url });
    const clients: pg.PoolClient[] = [];
    pool.on('acquire', (client) => clients.push(client));
    const locks = manager({ pool });
    const [gone, kept] = [await locks.acquire(newName(), { ttlMs: 4_500 }), await locks.acquire(newName(), { ttlMs: 4_500 })];
    const { rows } = await admin.query<{ readonly high: string; readonly low: string }>(
      `select classid::text as high, objid::text as low from pg_locks where locktype = 'advisory' order by classid`,
    );
    const [first] = rows;
    const key = BigInt.asIntN(64, (BigInt(first?.high ?? 0) << 32n) | BigInt(first?.low ?? 0));
    for (const client of clients) await client.query('select pg_advisory_unlock($1)', [String(key)]).catch(() => {});
    await until('one of them is lost', () => !gone.isHeld || !kept.isHeld, { timeoutMs: 4_400 });
    // The other one is not taken along.
    const [lost, left] = gone.isHeld ? [kept, gone] : [gone, kept];
    expect(lost.signal.reason).toMatchObject({ reason: 'session' });
    await left.extend();
    expect(left.isHeld).toBe(true);
    for (const one of open.splice(0)) await one.close();
    await pool.end();
  });
});

describe('settings of the role', () => {
  it('that end idle sessions and slow statements are not ours', async () => {
    await admin.query('create role hasty login in role pg_read_all_stats');
    if (await endsIdleSessions(admin)) await admin.query(`alter role hasty set idle_session_timeout = '400ms'`);
    await admin.query(`alter role hasty set statement_timeout = '300ms'; alter role hasty set lock_timeout = '1ms';
      alter role hasty set idle_in_transaction_session_timeout = '400ms'; alter role hasty set synchronous_commit = off`);
    // Its objects are there already.
    await worksAgain(manager());
    await admin.query(
      'grant usage on schema holdfast to hasty; grant usage on sequence holdfast.fence to hasty; grant all on holdfast.marks to hasty',
    );
    const locks = manager({ connectionString: server.url.replace('//postgres:', '//hasty:') });
    const lease = await locks.acquire(newName(), { ttlMs: 30_000 });
    const ended = lossOf(lease, 1_500).then(
      () => true,
      () => false,
    );
    expect(await ended).toBe(false);
    expect(await lease.release()).toBe(true);
    expect(await locks.marks?.set(newName(), { retentionMs: 1_000 })).toBe(true);
  });
});

describe('a session', () => {
  it('is ended by the server when its machine has vanished, but not before its holders have stopped to believe in it', async () => {
    const pool = new pg.Pool({ connectionString: server.url });
    const clients: pg.PoolClient[] = [];
    pool.on('acquire', (client) => clients.push(client));
    const locks = manager({ pool, sessionMs: 15_000 });
    await locks.acquire(newName());
    const [client] = clients;
    if (client === undefined) return expect.fail('no client was taken');
    const { rows } =
      await client.query(`select current_setting('tcp_user_timeout') as silence, current_setting('idle_session_timeout', true) as idle,
        extract(epoch from current_setting('tcp_keepalives_idle')::interval + 3 * current_setting('tcp_keepalives_interval')::interval)::int as probes`);
    expect(rows).toEqual([{ silence: '20000', idle: (await endsIdleSessions(admin)) ? '20s' : null, probes: 20 }]);
    await locks.close();
    await pool.end();
  });
});

describe('a pool of the user', () => {
  it('keeps no changed settings, no listeners and no locks, and is never ended', async () => {
    const pool = new pg.Pool({ connectionString: server.url, max: 3 });
    const listeners = pool.eventNames().map((event) => pool.listenerCount(event));
    const locks = manager({ pool });
    const lease = await locks.acquire(newName());
    const waiting = locks.acquire(lease.name).catch(() => null);
    await locks.marks?.set(newName(), { retentionMs: 1_000 });
    expect(pool.totalCount).toBeLessThanOrEqual(2);
    await locks.close();
    await waiting;
    expect(pool.eventNames().map((event) => pool.listenerCount(event))).toEqual(listeners);
    const clients = await Promise.all([pool.connect(), pool.connect(), pool.connect()]);
    for (const client of clients) {
      const { rows } = await client.query(`select (select count(*)::int from pg_listening_channels()) as channels,
        (select count(*)::int from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()) as locks,
        (select count(*)::int from pg_settings where source = 'session' and name not in ('client_encoding', 'application_name')) as changed`);
      expect(rows).toEqual([{ channels: 0, locks: 0, changed: 0 }]);
      expect(client.listenerCount('notification')).toBe(0);
      client.release();
    }
    await pool.end();
  });

  it('that has no connection to give makes calls fail in their time, and gets back what comes too late', async () => {
    const pool = new pg.Pool({ connectionString: server.url, max: 1 });
    const locks = manager({ pool }, { commandTimeoutMs: 300 });
    const client = await pool.connect();
    const start = performance.now();
    expect((await failure(locks.tryAcquire(newName()))).retryable).toBe(true);
    expect(performance.now() - start).toBeLessThan(2_000);
    client.release();
    await until('the pool is whole again', () => pool.waitingCount === 0);
    await worksAgain(locks);
    await locks.close();
    await until('the only connection is free', () => pool.totalCount === pool.idleCount);
    await pool.end();
  });

  it('does not end the process when its connections are ended, though it has no error listener', async () => {
    const pool = new pg.Pool({ connectionString: server.url });
    const locks = manager({ pool });
    const lease = await locks.acquire(newName());
    for (const pid of await holdingProcesses()) await admin.query('select pg_terminate_backend($1)', [pid]);
    expect((await lossOf(lease, 2_000)).reason).toBe('session');
    await worksAgain(locks);
    await locks.close();
    await pool.end();
  });
});
