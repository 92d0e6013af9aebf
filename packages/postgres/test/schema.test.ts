import { createLockManager, isLockError, type LockManager } from '@holdfast/core';
import { createPostgresBackend, type PostgresBackendOptions, postgresSchemaSql } from '@holdfast/postgres';
import { newName } from '@holdfast/test/backend';
import { startPostgres, until } from '@holdfast/test/servers';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { usePostgres } from './postgres-harness.js';

const postgres = usePostgres();
const open: LockManager[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((locks) => locks.close()));
});

function manager(options: Partial<PostgresBackendOptions>, user?: string): LockManager {
  const { url } = postgres.server;
  const connectionString = user === undefined ? url : url.replace('//postgres:', `//${user}:`);
  const locks = createLockManager(createPostgresBackend({ connectionString, ...options } as PostgresBackendOptions));
  open.push(locks);
  return locks;
}

describe('the objects in the database', () => {
  it('are made on first use, by many at once', async () => {
    const schema = `s_${newName().slice(5)}`;
    const managers = Array.from({ length: 6 }, (_, i) => manager({ schema, strategy: i % 2 === 0 ? 'advisory' : 'table' }));
    const leases = await Promise.all(managers.map((locks) => locks.acquire(newName())));
    expect(leases.every((lease) => typeof lease.fencingToken === 'bigint')).toBe(true);
    expect(await managers[0]?.marks?.set('done', { retentionMs: 1_000 })).toBe(true);
  });

  it('may be made by a DBA, any number of times; then the application needs no more than it is granted', async () => {
    const schema = `s_${newName().slice(5)}`;
    const role = `app_${newName().slice(5)}`;
    await postgres.admin.query(`create role ${role} login`);
    for (const strategy of ['advisory', 'table'] as const) {
      const locks = manager({ schema, strategy }, role);
      const error: unknown = await locks.acquire(newName()).catch((reason: unknown) => reason);
      expect(isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && error.retryable).toBe(false);
      expect(String((error as Error).message)).toContain(`CREATE SCHEMA IF NOT EXISTS "${schema}"`);
    }
    const sql = postgresSchemaSql({ schema, role });
    await Promise.all([postgres.admin.query(sql), postgres.admin.query(sql)]);
    await postgres.admin.query(sql);
    for (const strategy of ['advisory', 'table'] as const) {
      const locks = manager({ schema, strategy }, role);
      const lease = await locks.acquire(newName());
      const permit = await locks.semaphore(newName(), { permits: 2 }).acquire();
      const writer = await locks.readWriteLock(newName()).write.acquire();
      expect(await locks.marks?.set(newName(), { retentionMs: 1_000 })).toBe(true);
      expect(await locks.checkHealth()).toMatchObject({ ok: true });
      for (const hold of [lease, permit, writer]) expect(await hold.release()).toBe(true);
    }
  });

  it('keep namespaces apart', async () => {
    for (const strategy of ['advisory', 'table'] as const) {
      const name = newName();
      const [a, b] = [manager({ strategy, namespace: 'a' }), manager({ strategy, namespace: 'b' })];
      const lease = await a.acquire(name);
      const other = await b.tryAcquire(name);
      expect(other).not.toBe(null);
      expect(await lease.release()).toBe(true);
      expect(other?.isHeld).toBe(true);
    }
  });

  it('draw tokens from a sequence that begins at the clock and is flushed before a token is shown', async () => {
    const schema = `s_${newName().slice(5)}`;
    const locks = manager({ schema });
    const before = BigInt(Date.now()) * 1_000n;
    const lease = await locks.acquire(newName());
    expect(lease.fencingToken).toBeGreaterThan(before - 60_000_000n);
    // A sequence that was dropped begins above what it was.
    await locks.close();
    await postgres.admin.query(`drop schema ${schema} cascade`);
    const next = await manager({ schema }).acquire(newName());
    expect(next.fencingToken).toBeGreaterThan(lease.fencingToken ?? 0n);
  });
});

describe('fencing tokens', () => {
  it.each(['advisory', 'table'] as const)('do not come again when the server crashes right after a grant (%s)', async (strategy) => {
    // Nothing but a commit that waits for it writes the log out.
    await using server = await startPostgres({ config: { wal_writer_delay: '10s', synchronous_commit: 'off', autovacuum: 'off' } });
    const locks = createLockManager(createPostgresBackend({ connectionString: server.url, strategy }), { unavailableAfterMs: 20_000 });
    const others = createLockManager(createPostgresBackend({ connectionString: server.url, strategy }));
    const name = newName();
    let last = 0n;
    // A sequence logs 32 values ahead; crash on both sides of that.
    for (const grants of [40, 1]) {
      for (let i = 0; i < grants; i++) {
        const lease = await (i % 2 === 0 ? locks : others).acquire(name, { waitMs: 15_000 });
        expect(lease.fencingToken).toBeGreaterThan(last);
        last = lease.fencingToken ?? 0n;
        if (i < grants - 1) await lease.release();
      }
      await server.kill();
      await server.restart();
      if (strategy === 'table') {
        await until('the lease is there', async () => (await others.inspect(name).catch(() => null))?.held === true);
        await locks.forceRelease(name).catch(() => false);
      }
    }
    await Promise.all([locks.close(), others.close()]);
  });
});

describe('a wrong password', () => {
  it('ends an endless wait at once, and stands in no error', async () => {
    await using closed = await startPostgres({ auth: 'scram-sha-256' });
    const secret = 'hunter2-secret';
    const connectionString = closed.url.replace(/:[^:@]*@/, `:${secret}@`);
    for (const strategy of ['advisory', 'table'] as const) {
      const locks = createLockManager(createPostgresBackend({ connectionString, strategy }));
      open.push(locks);
      const error: unknown = await locks.acquire(newName()).catch((reason: unknown) => reason);
      if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) return expect.fail('it was not refused');
      expect(error.retryable).toBe(false);
      expect([error.message, error.stack, JSON.stringify(error), String(error.cause)].join()).not.toContain(secret);
    }
    const rightOne = new pg.Client({ connectionString: closed.url });
    await rightOne.connect();
    await rightOne.end();
  });
});
