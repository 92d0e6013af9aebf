import { createLockManager, isLockError, type Lease, type LockManager, type LockUnavailableError } from '@holdfast/core';
import { createPostgresBackend } from '@holdfast/postgres';
import { newName } from '@holdfast/test/backend';
import { type PgBouncer, type PostgresServer, startPgBouncer, startPostgres, startTcpProxy, until } from '@holdfast/test/servers';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Settings } from './reached.js';

let server: PostgresServer;
let session: PgBouncer;
let transaction: PgBouncer;
const open: LockManager[] = [];

beforeAll(async () => {
  server = await startPostgres();
  [session, transaction] = await Promise.all([
    startPgBouncer({ serverPort: server.port, mode: 'session', poolSize: 10 }),
    startPgBouncer({ serverPort: server.port, mode: 'transaction' }),
  ]);
});
afterEach(async () => {
  await Promise.all(open.splice(0).map((locks) => locks.close()));
});
afterAll(async () => {
  await Promise.all([session?.close(), transaction?.close()]);
  await server?.close();
});

function manager(connectionString: string, options: Settings = {}): LockManager {
  const made = createLockManager(createPostgresBackend({ connectionString, ...options }));
  open.push(made);
  return made;
}

async function refusal(promise: Promise<unknown>): Promise<LockUnavailableError> {
  const error: unknown = await promise.catch((reason: unknown) => reason);
  if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) return expect.fail(`not refused: ${String(error)}`);
  return error;
}

async function tryOnce(locks: LockManager, name: string): Promise<void> {
  await (await locks.tryAcquire(name))?.release();
}

describe('behind PgBouncer', () => {
  it.each(['session', 'transaction'] as const)('in %s mode session locks are refused, with what to do', async (mode) => {
    const locks = manager(mode === 'session' ? session.url : transaction.url);
    const start = performance.now();
    // Waiting cannot help, so an endless wait ends at once.
    const error = await refusal(locks.acquire(newName()));
    expect(performance.now() - start).toBeLessThan(3_000);
    expect(error.retryable).toBe(false);
    expect(error.message).toMatch(/pooler: 'session'/);
    expect(error.message).toMatch(/strategy: 'table'/);
  });

  it('in session mode they work when the pooler is said to be in that mode, and are pushed', async () => {
    const [mine, theirs] = [manager(session.url, { pooler: 'session' }), manager(session.url, { pooler: 'session' })];
    const direct = manager(server.url);
    const lease = await mine.acquire(newName());
    expect(await direct.tryAcquire(lease.name)).toBe(null);
    const waiting = theirs.acquire(lease.name);
    await until('it waits', async () => (await mine.inspect(lease.name)).waiters === 1);
    await lease.extend();
    expect(await lease.release()).toBe(true);
    await (await waiting).release();
    await Promise.all(open.splice(0).map((locks) => locks.close()));
    // Nothing stays on the pooled server connections.
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    await until('nothing is held', async () => {
      const { rows } = await client.query<{ readonly n: number }>(`select count(*)::int as n from pg_locks where locktype = 'advisory'`);
      return rows[0]?.n === 0;
    });
    await client.end();
  });

  it('in session mode without server_reset_query a manager goes past the session that a dead one has left, which ends with its locks', async () => {
    await using pooler = await startPgBouncer({ serverPort: server.port, mode: 'session', poolSize: 4, resetQuery: '' });
    await using proxy = await startTcpProxy({ target: pooler.port });
    const options = { pooler: 'session', sessionMs: 5_000 } as const;
    const dead = manager(pooler.url.replace(String(pooler.port), String(proxy.port)), options);
    const lease = await dead.acquire(newName());
    await proxy.refuse();
    const next = manager(pooler.url, options);
    await (await next.acquire(newName(), { waitMs: 5_000 })).release();
    // The one whose connection has ended may be alive, behind a pooler by the transaction.
    expect(await next.tryAcquire(lease.name)).toBe(null);
    // Whatever is asked in the meantime, nobody asks it of that session.
    const asking = setInterval(() => void tryOnce(next, lease.name).catch(() => {}), 200);
    try {
      await (await next.acquire(lease.name, { waitMs: 30_000 })).release();
    } finally {
      clearInterval(asking);
    }
    expect(lease.isHeld).toBe(false);
  });

  it('in session mode without server_reset_query nothing that is asked keeps the locks of a dead one alive', async () => {
    await using pooler = await startPgBouncer({ serverPort: server.port, mode: 'session', poolSize: 4, resetQuery: '' });
    await using proxy = await startTcpProxy({ target: pooler.port });
    const dead = manager(pooler.url.replace(String(pooler.port), String(proxy.port)), { pooler: 'session', sessionMs: 5_000 });
    const lease = await dead.acquire(newName());
    await proxy.refuse();
    // As many as the pooler has server connections: one of them is led to that session.
    const others = Array.from({ length: 4 }, () => manager(pooler.url, { strategy: 'table' }));
    const asking = setInterval(() => {
      for (const other of others) tryOnce(other, newName()).catch(() => {});
    }, 200);
    try {
      const next = await manager(server.url).acquire(lease.name, { waitMs: 30_000 });
      expect(lease.isHeld).toBe(false);
      await next.release();
    } finally {
      clearInterval(asking);
    }
  });

  it('in transaction mode the first answer of another server process ends the leases, and says why', async () => {
    const lost: Lease[] = [];
    const locks = manager(transaction.url, { pooler: 'session' });
    const others = Array.from({ length: 3 }, () => new pg.Client({ connectionString: transaction.url }));
    for (const other of others) await other.connect();
    const lease = await locks.acquire(newName(), { ttlMs: 3_000, waitMs: 5_000 });
    lease.signal.addEventListener('abort', () => lost.push(lease));
    // Their transactions take the server process that has served us.
    for (const other of others) await other.query('begin; select 1');
    await until('the lease has ended', () => lost.length === 1, { timeoutMs: 4_000 });
    expect(lease.signal.reason).toMatchObject({ reason: 'session' });
    const error = await refusal(locks.acquire(newName()));
    expect([error.retryable, error.message]).toEqual([false, expect.stringContaining('transaction mode')]);
    for (const other of others) await other.end();
  });

  it('in transaction mode two that say it is in session mode never hold one lock: one session is not used by both', async () => {
    await using single = await startPgBouncer({ serverPort: server.port, mode: 'transaction', poolSize: 1 });
    const first = manager(single.url, { pooler: 'session' });
    const lease = await first.acquire(newName());
    const second = manager(single.url, { pooler: 'session' });
    for (const asked of [second.tryAcquire(lease.name), second.semaphore(newName(), { permits: 1 }).tryAcquire()]) {
      const error = await refusal(asked);
      expect([error.retryable, error.message]).toEqual([false, expect.stringContaining('has a session of Holdfast already')]);
    }
    expect(lease.isHeld).toBe(true);
    await lease.extend();
    expect(await lease.release()).toBe(true);
    await first.close();
    await (await manager(single.url, { pooler: 'session' }).acquire(lease.name)).release();
  });

  it('in transaction mode many that begin at once never hold one lock', async () => {
    await using single = await startPgBouncer({ serverPort: server.port, mode: 'transaction', poolSize: 1 });
    const [name, all] = [newName(), Array.from({ length: 6 }, () => manager(single.url, { pooler: 'session' }))];
    const taken = await Promise.all(all.map((locks) => locks.tryAcquire(name).catch(() => null)));
    expect(taken.filter((lease) => lease?.isHeld)).toHaveLength(1);
  });

  it('in transaction mode leases in a table work, and exclude those who connect directly', async () => {
    const pooled = [manager(transaction.url, { strategy: 'table' }), manager(transaction.url, { strategy: 'table' })];
    const direct = manager(server.url, { strategy: 'table' });
    const name = newName();
    let inside = 0;
    let most = 0;
    let rounds = 0;
    let last = 0n;
    await Promise.all(
      [...pooled, direct].map(async (locks) => {
        for (let round = 0; round < 5; round++) {
          await locks.withLock(name, { waitMs: 20_000 }, async (lease) => {
            inside += 1;
            most = Math.max(most, inside);
            rounds += 1;
            expect(lease.fencingToken ?? 0n).toBeGreaterThan(last);
            last = lease.fencingToken ?? 0n;
            await lease.extend();
            inside -= 1;
          });
        }
      }),
    );
    expect([most, rounds]).toEqual([1, 15]);
    const semaphore = pooled.map((locks) => locks.semaphore(name, { permits: 1 }));
    const permit = await semaphore[0]?.acquire();
    expect(await semaphore[1]?.tryAcquire()).toBe(null);
    expect(await permit?.release()).toBe(true);
    expect(await pooled[0]?.marks?.set(name, { retentionMs: 5_000 })).toBe(true);
    expect(await direct.marks?.has(name)).toBe(true);
  });
});
