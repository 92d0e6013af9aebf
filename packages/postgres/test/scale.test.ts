import { createLockManager, type Lease, type LockManager } from '@holdfast/core';
import { createPostgresBackend } from '@holdfast/postgres';
import { newName, permitsOf, requestOf, attempt, callOf, free, take } from '@holdfast/test/backend';
import { until } from '@holdfast/test/servers';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { usePostgres } from './postgres-harness.js';

const postgres = usePostgres({ max_connections: 30 });
const open: LockManager[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((locks) => locks.close()));
});

function manager(applicationName = 'holdfast'): LockManager {
  const locks = createLockManager(
    createPostgresBackend({ connectionString: postgres.server.url, driverOptions: { application_name: applicationName } }),
    { commandTimeoutMs: 10_000 },
  );
  open.push(locks);
  return locks;
}

async function connections(applicationName: string): Promise<number> {
  const { rows } = await postgres.admin.query<{ readonly n: number }>(
    'select count(*)::int as n from pg_stat_activity where application_name = $1',
    [applicationName],
  );
  return rows[0]?.n ?? 0;
}

describe('a thousand', () => {
  it('leases and a thousand waiters need at most 8 connections, and no release is delayed by them', async () => {
    const application = `scale-${newName()}`;
    const [holder, waiter] = [manager(application), manager(application)];
    const names = Array.from({ length: 1_000 }, () => newName());
    const leases = await holder.tryAcquireEach(names, { ttlMs: 60_000 });
    expect(leases.size).toBe(1_000);
    const controller = new AbortController();
    const waiting = names.map((name) => waiter.acquire(name, { ttlMs: 60_000, signal: controller.signal }).catch(() => null));
    await until('all of them wait', async () => (await holder.inspect(names[999] ?? '')).waiters === 1, { timeoutMs: 20_000 });
    let most = 0;
    const counting = setInterval(
      () =>
        void connections(application).then(
          (n) => (most = Math.max(most, n)),
          () => {},
        ),
      50,
    );

    // Others take and free meanwhile, on the very sessions that hold and wait. A poll of two seconds passes too.
    const times: number[] = [];
    const end = performance.now() + 2_500;
    while (performance.now() < end) {
      const lease = await waiter.acquire(newName());
      const start = performance.now();
      expect(await lease.release()).toBe(true);
      times.push(performance.now() - start);
    }
    times.sort((a, b) => a - b);
    // A statement behind a waiter would take as long as that one waits.
    expect(times.at(-1)).toBeLessThan(1_000);
    expect(times[Math.floor(times.length / 2)]).toBeLessThan(100);

    const start = performance.now();
    expect(await leases.releaseAll()).toBe(1_000);
    const taken = (await Promise.all(waiting)).filter((lease): lease is Lease => lease !== null);
    expect(taken).toHaveLength(1_000);
    expect(performance.now() - start).toBeLessThan(15_000);
    clearInterval(counting);
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(8);
  });
});

describe('requests of one tick', () => {
  it.each(['advisory', 'table'] as const)('share a statement (%s)', async (strategy) => {
    const pool = new pg.Pool({ connectionString: postgres.server.url, max: 5 });
    pool.on('error', () => {});
    let sent = 0;
    pool.on('connect', (client) => {
      const query = client.query.bind(client) as (...args: readonly { readonly text?: string }[]) => unknown;
      Object.assign(client, {
        query: (...args: readonly { readonly text?: string }[]) => {
          // Old rows are deleted beside it.
          if (args[0]?.text?.startsWith('DELETE') !== true) sent += 1;
          return query(...args);
        },
      });
    });
    const backend = postgres.backend({ pool, strategy });
    await free(backend, requestOf(newName()));
    await take(backend, requestOf(newName()));
    const requests = Array.from({ length: 64 }, () => requestOf(newName()));
    const steps = [
      () => Promise.all(requests.map((request) => take(backend, request))),
      () => Promise.all(requests.map((request) => backend.renew([{ ...request, ttlMs: 9_000 }], callOf()))),
      () => Promise.all(requests.map((request) => free(backend, request))),
    ];
    for (const step of steps) {
      const before = sent;
      await step();
      expect(sent - before).toBe(1);
    }
    await backend.close();
    await pool.end();
  });

  it('beat one statement each several times over', async () => {
    const backend = postgres.backend();
    const take64 = async (isTogether: boolean): Promise<number> => {
      const requests = Array.from({ length: 64 }, () => requestOf(newName()));
      const start = performance.now();
      if (isTogether) await Promise.all(requests.map((request) => take(backend, request)));
      else for (const request of requests) await take(backend, request);
      const spent = performance.now() - start;
      await backend.release(requests, callOf());
      return spent;
    };
    for (const isTogether of [true, false]) await take64(isTogether);
    // The least of several: in the others this process may have stood still.
    let [together, apart] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    for (let round = 0; round < 9; round++) {
      together = Math.min(together, await take64(true));
      apart = Math.min(apart, await take64(false));
    }
    expect(apart / together).toBeGreaterThan(2);
  });
});

describe('a semaphore of many permits', () => {
  it('is filled to its limit and no further, though not all slots are tried', async () => {
    const [mine, theirs] = [postgres.backend(), postgres.backend()];
    const name = newName();
    const holds = [];
    for (const [backend, permits] of [
      [mine, 300],
      [theirs, 500],
      [mine, 200],
    ] as const) {
      const request = permitsOf(name, permits, 1_000);
      expect((await attempt(backend, request)).granted).toBe(true);
      holds.push([backend, request] as const);
    }
    expect((await attempt(theirs, permitsOf(name, 1, 1_000))).granted).toBe(false);
    const [backend, request] = holds[1] ?? [mine, permitsOf(name, 1, 1)];
    expect(await free(backend, request)).toBe(true);
    expect((await attempt(mine, permitsOf(name, 501, 1_000))).granted).toBe(false);
    expect((await attempt(mine, permitsOf(name, 500, 1_000))).granted).toBe(true);
  });
});
