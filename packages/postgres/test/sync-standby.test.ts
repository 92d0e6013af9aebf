import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { createLockManager, isLockError, type LockManager } from '@holdfast/core';
import { createPostgresBackend } from '@holdfast/postgres';
import { newName } from '@holdfast/test/backend';
import { type PostgresWithStandby, startPostgresWithStandby, until } from '@holdfast/test/servers';
import pg from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';

const SESSION_MS = 3_000;
const COMMAND_MS = 1_000;

let servers: PostgresWithStandby;
let admin: pg.Pool;

beforeAll(async () => {
  servers = await startPostgresWithStandby();
  admin = new pg.Pool({ connectionString: servers.primary.url, max: 2 });
  admin.on('error', () => {});
  // The objects are there before anything has to be confirmed.
  await using locks = manager();
  await locks.acquire(newName());
  await admin.query('CREATE ROLE careless LOGIN; ALTER ROLE careless SET synchronous_commit = off');
  await admin.query('GRANT USAGE ON SCHEMA holdfast TO careless; GRANT USAGE ON SEQUENCE holdfast.fence TO careless');
  await admin.query(`ALTER SYSTEM SET synchronous_standby_names = '*'`);
  await admin.query('SELECT pg_reload_conf()');
  await until(
    'the standby confirms',
    async () => (await admin.query(`SELECT FROM pg_stat_replication WHERE sync_state = 'sync'`)).rowCount === 1,
  );
});
beforeEach(() => servers.standby.continue());
afterAll(async () => {
  await servers?.standby.continue();
  await admin?.end();
  await servers?.close();
});

function manager(role = 'postgres', strategy: 'advisory' | 'table' = 'advisory'): LockManager {
  const connectionString = servers.primary.url.replace('//postgres:', `//${role}:`);
  return createLockManager(
    createPostgresBackend({ connectionString, strategy, ...(strategy === 'advisory' && { sessionMs: SESSION_MS }) }),
    { commandTimeoutMs: COMMAND_MS },
  );
}

/** How many server processes wait for the standby. */
async function waiting(): Promise<number> {
  const { rowCount } = await admin.query(`SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep'`);
  return rowCount ?? -1;
}

describe('while the synchronous standby is gone', () => {
  it('what is held stays held, what needs no token goes on, and what needs one is unavailable in its time', async () => {
    await using locks = manager();
    const held = await locks.acquire(newName());
    const read = await locks.readWriteLock(newName()).read.acquire();
    const permit = await locks.semaphore(newName(), { permits: 3 }).acquire();
    await servers.standby.pause();
    const start = performance.now();
    let refused = 0;
    // Longer than the session is believed in without a heartbeat.
    while (performance.now() - start < SESSION_MS + 1_500) {
      const asked = performance.now();
      const error: unknown = await locks.tryAcquire(newName()).catch((reason: unknown) => reason);
      expect(isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && error.retryable).toBe(true);
      expect((error as Error).message).toContain('synchronous_standby_names');
      expect(performance.now() - asked).toBeLessThan(COMMAND_MS + 2_000);
      refused += 1;
      expect(await (await locks.semaphore(newName(), { permits: 2 }).acquire()).release()).toBe(true);
      // However often it is asked for, one server process waits.
      expect(await waiting()).toBe(1);
    }
    expect(refused).toBeGreaterThan(1);
    await held.extend();
    expect([held.isHeld, read.isHeld, permit.isHeld]).toEqual([true, true, true]);
    expect(await permit.release()).toBe(true);
    // One that waits is served when the standby is back, and what was refused is free.
    const next = locks.acquire(newName(), { waitMs: 20_000 });
    await servers.standby.continue();
    expect((await next).fencingToken).toBeGreaterThan(held.fencingToken ?? 0n);
    for (const lease of [await next, held, read]) expect(await lease.release()).toBe(true);
    await until('nothing is held', async () => (await admin.query(`SELECT FROM pg_locks WHERE locktype = 'advisory'`)).rowCount === 0);
  });

  it('a manager that is closed leaves no server process that waits for it', async () => {
    const locks = manager();
    await locks.acquire(newName());
    await servers.standby.pause();
    await locks.tryAcquire(newName()).catch(() => null);
    expect(await waiting()).toBe(1);
    await locks.close();
    await until('none waits', async () => (await waiting()) === 0);
  });

  it('the locks of a killed process are free at once', async () => {
    const name = newName();
    const program = `
      import { createPostgresLockManager } from '@holdfast/postgres';
      const locks = createPostgresLockManager(${JSON.stringify({ connectionString: servers.primary.url })});
      await locks.acquire(${JSON.stringify(name)});
      console.log('held');
      process.stdin.once('data', () => void locks.acquire('another').catch(() => {}));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    try {
      await once(child.stdout, 'data');
      await servers.standby.pause();
      child.stdin.write('go\n');
      await until('it waits for the standby', async () => (await waiting()) === 1);
    } finally {
      child.kill('SIGKILL');
    }
    await until('nothing is held', async () => (await admin.query(`SELECT FROM pg_locks WHERE locktype = 'advisory'`)).rowCount === 0, {
      timeoutMs: 8_000,
    });
  });

  it('leases in a table can be freed, and however often one is asked for in vain, few server processes wait', async () => {
    await using locks = manager('postgres', 'table');
    const name = newName();
    const held = await locks.acquire(name, { ttlMs: 60_000 });
    const permit = await locks.semaphore(name, { permits: 2 }).acquire({ ttlMs: 60_000 });
    await servers.standby.pause();
    for (let times = 0; times < 6; times++) {
      await expect(locks.tryAcquire(newName())).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
      // Those of this second, and those that the next statement ends.
      expect(await waiting()).toBeLessThanOrEqual(4);
    }
    expect(await held.release()).toBe(true);
    expect(await permit.release()).toBe(true);
    await servers.standby.continue();
    await (await locks.acquire(name, { waitMs: 20_000 })).release();
  });

  it('a role that asks for less gets no token that the standby has not', async () => {
    await using locks = manager('careless');
    await (await locks.acquire(newName())).release();
    await servers.standby.pause();
    await expect(locks.tryAcquire(newName())).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
  });
});
