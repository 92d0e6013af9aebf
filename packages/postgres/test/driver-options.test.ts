import { createLockManager, isLockError, type LockManager, type LockUnavailableError } from '@holdfast/core';
import { createPostgresBackend, postgresSchemaSql } from '@holdfast/postgres';
import { newName } from '@holdfast/test/backend';
import { type PostgresServer, startPostgres, startPostgresWithStandby } from '@holdfast/test/servers';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createClient } from '../src/open-driver.js';
import { type ReachedOptions, reached } from './reached.js';

const STRATEGIES = ['advisory', 'table'] as const;

let server: PostgresServer;
let admin: pg.Pool;

beforeAll(async () => {
  // Roles and databases are the whole server's.
  server = await startPostgres({ config: {} });
  admin = new pg.Pool({ connectionString: server.url, max: 2 });
  await admin.query(postgresSchemaSql());
});
afterAll(async () => {
  await admin?.end();
  await server?.close();
});

function manager(options: ReachedOptions, commandTimeoutMs = 2_000): LockManager {
  return createLockManager(createPostgresBackend(reached(server.url, options)), { commandTimeoutMs });
}

/** The server as another role, or another database. */
function at(role: string, database = 'postgres'): string {
  return server.url.replace('//postgres:', `//${encodeURIComponent(role)}:`).replace(/\/postgres$/, `/${database}`);
}

async function roleWith(name: string, ...settings: readonly string[]): Promise<string> {
  const quoted = pg.escapeIdentifier(name);
  await admin.query(`CREATE ROLE ${quoted} LOGIN`);
  for (const setting of settings) await admin.query(`ALTER ROLE ${quoted} SET ${setting}`);
  await admin.query(postgresSchemaSql({ role: name }));
  return at(name);
}

/** Everything that a manager does. */
async function useAll(locks: LockManager, label = 'test:1'): Promise<void> {
  const name = newName();
  const lease = await locks.acquire(name, { label });
  expect(await locks.tryAcquire(name)).toBe(null);
  await lease.extend();
  expect(await locks.inspect(name)).toMatchObject({ held: true, holders: [{ mode: 'exclusive', fencingToken: lease.fencingToken }] });
  const permit = await locks.semaphore(name, { permits: 3 }).acquire({ permits: 2 });
  const [read, other] = [await locks.readWriteLock(name).read.acquire(), await locks.readWriteLock(name).read.acquire()];
  expect(await locks.readWriteLock(name).write.tryAcquire()).toBe(null);
  expect(await locks.semaphore(name, { permits: 3 }).tryAcquire({ permits: 2 })).toBe(null);
  for (const hold of [lease, permit, read, other]) expect(await hold.release()).toBe(true);
  expect(await locks.marks?.set(name, { retentionMs: 5_000 })).toBe(true);
  expect(await locks.marks?.has(name)).toBe(true);
  const forced = await locks.acquire(name);
  if (locks.capabilities.list) {
    const listed: string[] = [];
    for await (const state of locks.list({ prefix: name })) listed.push(state.name);
    expect(listed).toEqual([name]);
  }
  expect(await locks.forceRelease(name)).toBe(true);
  expect(await forced.release()).toBe(false);
  expect(await locks.checkHealth()).toMatchObject({ ok: true });
}

async function refusal(promise: Promise<unknown>): Promise<LockUnavailableError> {
  const error: unknown = await promise.then(
    () => expect.fail('it was not refused'),
    (reason: unknown) => reason,
  );
  if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) throw error;
  return error;
}

describe.each(STRATEGIES)('what pg offers, strategy %s', (strategy) => {
  it('takes values in the binary format, from a pool and by options, and leaves a pool as it was', async () => {
    const pool = new pg.Pool({ connectionString: server.url, binary: true, max: 6 } as pg.PoolConfig);
    await using pooled = manager({ strategy, pool });
    await useAll(pooled);
    await pooled.close();
    const { rows } = await pool.query('SELECT 7 AS seven');
    expect(rows).toEqual([{ seven: 7 }]);
    await pool.end();
    await using own = manager({ strategy, driverOptions: { binary: true } });
    await useAll(own);
  });

  it('asks a password function for each connection', async () => {
    await using guarded = await startPostgres({ auth: 'scram-sha-256' });
    const { password, href } = new URL(guarded.url);
    const asked: string[] = [];
    const connectionString = href.replace(`:${password}@`, '@');
    await using locks = manager({
      strategy,
      connectionString,
      driverOptions: {
        password: async () => {
          asked.push('asked');
          return Promise.resolve(decodeURIComponent(password));
        },
      },
    });
    await useAll(locks);
    expect(asked.length).toBeGreaterThan(0);
    await using failing = manager({
      strategy,
      connectionString,
      driverOptions: { password: () => Promise.reject(new Error('no token from hunter2')) },
    });
    const error = await refusal(failing.tryAcquire(newName()));
    expect([error.message, String(error.cause)].join()).not.toContain('hunter2');
  });

  it('works whatever a role has set for its sessions', async () => {
    const url = await roleWith(
      `odd_${strategy}`,
      'array_nulls = off',
      `datestyle = 'German, DMY'`,
      `timezone = 'Pacific/Chatham'`,
      `intervalstyle = 'sql_standard'`,
      'extra_float_digits = 0',
      `bytea_output = 'escape'`,
      'standard_conforming_strings = off',
      `default_transaction_isolation = 'serializable'`,
      `search_path = ''`,
      'synchronous_commit = off',
      'plan_cache_mode = force_generic_plan',
    );
    await using locks = manager({ strategy, connectionString: url });
    await useAll(locks);
    // Its next session ends the one that was cut, which it recognises by a time.
    if (strategy === 'advisory') {
      await admin.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'odd_advisory'`);
      await useAll(locks);
    }
    // The one who runs into another is asked again, and busy is not broken.
    const name = newName();
    await using others = manager({ strategy, connectionString: url });
    const results = await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? locks : others).tryAcquire(name)));
    expect(results.filter((lease) => lease !== null)).toHaveLength(1);
  });

  it('ends holds when they are to end, however few digits of a float a role lets the server write', async () => {
    const [name, other] = [newName(), manager({ strategy })];
    for (const digits of [-15, -12, -11, -8]) {
      const url = await roleWith(`few_${strategy}_${-digits}`, `extra_float_digits = ${digits}`);
      const locks = manager({ strategy, connectionString: url });
      const sides = [
        (from: LockManager) => from.semaphore(name, { permits: 1 }),
        (from: LockManager) => from.readWriteLock(name).write,
        (from: LockManager) => ({ acquire: () => from.acquire(name), tryAcquire: () => from.tryAcquire(name) }),
      ];
      for (const side of sides) {
        const hold = await side(locks).acquire();
        await hold.extend(20_000);
        expect(await side(other).tryAcquire()).toBe(null);
        expect(await hold.release()).toBe(true);
      }
      const permit = await locks.semaphore(name, { permits: 1 }).acquire({ ttlMs: 12_345 });
      const { holders } = await other.semaphore(name, { permits: 1 }).inspect();
      // A session's locks have no time of their own.
      if (strategy === 'table') expect(holders[0]?.remainingMs).toBeGreaterThan(10_000);
      if (strategy === 'table') expect(holders[0]?.remainingMs).toBeLessThan(14_000);
      await permit.release();
      await locks.close();
    }
    await other.close();
  });

  it('takes a role of any name', async () => {
    const url = await roleWith(`odd-role@"x".${strategy}:1`);
    await using locks = manager({ strategy, connectionString: url });
    await useAll(locks);
  });

  it('writes labels that the encoding of the database lacks with question marks, if at all', async () => {
    const database = `latin_${strategy}`;
    await admin.query(`CREATE DATABASE ${database} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`);
    await using locks = manager({ strategy, connectionString: at('postgres', database) });
    const label = 'é 日本 \u{1F512}';
    await useAll(locks, label);
    const lease = await locks.acquire(`${newName()} 日本`, { label });
    expect(await locks.inspect(lease.name)).toMatchObject({ holders: [{ label: strategy === 'table' ? '? ?? ?' : label }] });
    if (strategy === 'advisory') return;
    await using named = manager({ strategy, connectionString: at('postgres', database), namespace: '日本' });
    expect((await refusal(named.tryAcquire(newName()))).retryable).toBe(false);
  });

  it('goes on when its schema was dropped under it', async () => {
    const schema = `dropped_${strategy}`;
    await using locks = manager({ strategy, schema });
    const before = await locks.acquire(newName());
    await before.release();
    await locks.marks?.set(newName(), { retentionMs: 1_000 });
    await admin.query(`DROP SCHEMA ${schema} CASCADE`);
    const after = await locks.acquire(newName(), { waitMs: 5_000 });
    expect(after.fencingToken).toBeGreaterThan(before.fencingToken ?? 0n);
    await useAll(locks);
    await admin.query(`DROP SCHEMA ${schema} CASCADE`);
    // The one who does not wait is notified, unless somebody else has been before.
    const lease = await locks.tryAcquire(newName()).catch((reason: unknown) => reason);
    if (isLockError(lease)) expect(lease).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: true });
    await (await locks.acquire(newName(), { waitMs: 5_000 })).release();
  });

  it('gets the reason when its own callers have exhausted a pool', async () => {
    const pool = new pg.Pool({ connectionString: server.url, max: 1 });
    const client = await pool.connect();
    await using locks = manager({ strategy, pool }, 600);
    const error = await refusal(locks.tryAcquire(newName()));
    expect([error.retryable, error.message]).toEqual([true, expect.stringContaining('the pool had no connection to give')]);
    client.release();
    const lease = await locks.acquire(newName());
    expect(await lease.release()).toBe(true);
    if (strategy === 'advisory') {
      // The session of the locks has the only one.
      const missing = await refusal(locks.marks?.set(newName(), { retentionMs: 1_000 }) ?? Promise.resolve());
      expect(missing.message).toContain('the pool had no connection to give');
    }
    await locks.close();
    await using late = manager({ strategy, pool });
    await pool.end();
    expect((await refusal(late.tryAcquire(newName()))).retryable).toBe(false);
    expect(() => manager({ strategy, pool })).toThrow(expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT' }));
  });

  it.each([
    ['a URL that cannot be read', (url: string) => url.replace('127.0.0.1', '[::1'), {}],
    ['a CA file that is not there', (url: string) => `${url}?sslmode=verify-full&sslrootcert=/no/such/hunter2.pem`, {}],
    ['a port that does not exist', (url: string) => url.replace(/:\d+\//, ':99999/'), {}],
    ['options that the driver refuses', (url: string) => url, { sslnegotiation: 'hunter2' }],
  ] as const)('is refused at once and permanently with %s, which is not quoted', async (_, change, driverOptions) => {
    const url = new URL(server.url);
    url.password = 'hunter2';
    const start = performance.now();
    await using locks = manager({ strategy, connectionString: change(url.href), driverOptions });
    const error = await refusal(locks.acquire(newName(), { waitMs: 20_000 }));
    expect(performance.now() - start).toBeLessThan(2_000);
    expect(error.retryable).toBe(false);
    expect([error.message, error.stack, String(error.cause), JSON.stringify(error)].join()).not.toContain('hunter2');
  });
});

describe('a role whose transactions are read-only', () => {
  it('takes advisory locks; leases in a table are refused permanently, with the reason', async () => {
    const url = await roleWith('reader', 'default_transaction_read_only = on');
    await using locks = manager({ connectionString: url });
    expect(await (await locks.acquire(newName())).release()).toBe(true);
    await using rows = manager({ connectionString: url, strategy: 'table' });
    const wanted = [false, expect.stringContaining('default_transaction_read_only')];
    for (const call of [() => rows.acquire(newName()), () => locks.marks?.set(newName(), { retentionMs: 1_000 }) ?? Promise.resolve()]) {
      const error = await refusal(call());
      expect([error.retryable, error.message]).toEqual(wanted);
    }
  });

  it('is not taken for a standby, which may be promoted', async () => {
    await using servers = await startPostgresWithStandby();
    await using locks = manager({ connectionString: servers.standby.url, strategy: 'table' });
    const error = await refusal(locks.tryAcquire(newName()));
    expect([error.retryable, error.message]).toEqual([true, expect.stringContaining('standby')]);
  });
});

describe('options for the driver', () => {
  it('go before what the connection string says, which stands where they say nothing', async () => {
    const ssl = { rejectUnauthorized: false };
    const url = 'postgres://app:secret@db.example:5433/shop?sslmode=verify-full&application_name=mine';
    const client = await createClient(url, { ssl, database: 'other' });
    expect(client).toMatchObject({ ssl, host: 'db.example', port: 5433, user: 'app', password: 'secret', database: 'other' });
    expect(client.connectionParameters).toMatchObject({ application_name: 'mine' });
    const without = await createClient('postgres://db.example/shop?sslmode=disable', { keepAlive: true });
    expect(without).toMatchObject({ ssl: false, host: 'db.example' });
    expect(without.connectionParameters).toMatchObject({ application_name: 'holdfast' });
    expect(await createClient('postgres://db.example/shop?sslmode=verify-full', {})).toMatchObject({ ssl: {} });
  });
});
