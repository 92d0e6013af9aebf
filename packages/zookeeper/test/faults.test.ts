import { createLockManager, type HoldRequest, isLockError, type LockBackend, type LockManager, type ManagerOptions } from '@holdfast/core';
import { callOf, newName, permitsOf, requestOf, take } from '@holdfast/test/backend';
import { startTcpProxy, startZooKeeper, type TcpProxy, until, type ZooKeeperServer } from '@holdfast/test/servers';
import { createZooKeeperBackend } from '@holdfast/zookeeper';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { DriverClient } from '../src/zookeeper-client.js';
import { Admin, driver, endSession, newRoot } from './zookeeper-harness.js';

const SESSION_MS = 2400;
const rejections: unknown[] = [];
const onRejection = (reason: unknown): void => void rejections.push(reason);
const managers: LockManager<bigint>[] = [];
const clients: DriverClient[] = [];
const { createClient } = driver;
let server: ZooKeeperServer;

beforeEach(async () => {
  rejections.length = 0;
  clients.length = 0;
  process.on('unhandledRejection', onRejection);
  driver.createClient = (...args) => {
    const client = createClient(...args);
    clients.push(client);
    return client;
  };
  server = await startZooKeeper({ config: {} });
});
afterEach(async () => {
  await Promise.all(managers.splice(0).map((manager) => manager.close()));
  await server.close();
  driver.createClient = createClient;
  process.off('unhandledRejection', onRejection);
  expect(rejections).toEqual([]);
});

function managerOn(port: number, root: string, options: ManagerOptions = {}): LockManager<bigint> {
  const backend = createZooKeeperBackend({ connectionString: `127.0.0.1:${port}`, root, sessionTimeoutMs: SESSION_MS });
  const manager = createLockManager(backend, { commandTimeoutMs: 500, unavailableAfterMs: 20_000, ...options });
  managers.push(manager);
  return manager;
}

async function works(manager: LockManager): Promise<void> {
  await until('it works again', async () => (await (await manager.tryAcquire(newName()))?.release()) === true, { timeoutMs: 20_000 });
}

describe('the server stands still for longer than the session', () => {
  it('holders are notified in time, whatever they hold; afterwards all goes on and nothing is left of before', async () => {
    const root = newRoot();
    const manager = managerOn(server.port, root);
    const other = managerOn(server.port, root);
    const name = newName();
    const leases = [
      await manager.acquire(name, { ttlMs: 60_000 }),
      await manager.semaphore(name, { permits: 2 }).acquire({ ttlMs: 60_000, permits: 2 }),
      await manager.readWriteLock(name).read.acquire({ ttlMs: 60_000 }),
      await manager.acquire(newName(), { ttlMs: 60_000, renew: false }),
    ];
    const waiting = other.acquire(name, { waitMs: 60_000 }).then((lease) => ({ lease, believed: leases.map(({ isHeld }) => isHeld) }));
    await until('it waits', async () => (await manager.inspect(name)).waiters === 1);
    const start = performance.now();
    await server.pause();
    await until('all are notified', () => leases.every(({ signal }) => signal.aborted), { timeoutMs: 10_000 });
    const told = performance.now() - start;
    expect(told).toBeLessThan((SESSION_MS * 2) / 3 + 800);
    for (const { signal } of leases) expect(['deadline', 'session']).toContain((signal.reason as { reason?: unknown }).reason);
    const end = start + SESSION_MS + 500;
    await until('the session would be over', () => performance.now() > end);
    await server.continue();
    const { lease, believed } = await waiting;
    expect(believed).toEqual([false, false, false, false]);
    expect(lease.fencingToken).toBeGreaterThan(leases[0]?.fencingToken ?? 0n);
    expect(await lease.release()).toBe(true);
    await works(manager);
    const again = await manager.semaphore(name, { permits: 2 }).acquire({ permits: 2, waitMs: 10_000 });
    expect(await again.release()).toBe(true);
    await (await manager.readWriteLock(name).write.acquire({ waitMs: 10_000 })).release();
  }, 60_000);
});

describe('the server is killed', () => {
  it('and is back before the session is over: holds and places in line stand', async () => {
    const root = newRoot();
    const backend = createZooKeeperBackend({ connectionString: `127.0.0.1:${server.port}`, root, sessionTimeoutMs: 20_000 });
    const manager = createLockManager(backend, { commandTimeoutMs: 1000, unavailableAfterMs: 20_000 });
    managers.push(manager);
    const name = newName();
    const lease = await manager.acquire(name, { ttlMs: 60_000 });
    const waiting = manager.acquire(name, { waitMs: 60_000 });
    await until('it waits', async () => (await manager.inspect(name)).waiters === 1);
    await server.kill();
    await expect(manager.tryAcquire(newName())).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    await server.restart();
    await until('it works again', async () => (await manager.checkHealth()).ok, { timeoutMs: 10_000 });
    expect(lease.isHeld).toBe(true);
    expect((await manager.inspect(name)).waiters).toBe(1);
    expect(await lease.release()).toBe(true);
    const next = await waiting;
    expect(next.fencingToken).toBeGreaterThan(lease.fencingToken);
    expect(await next.release()).toBe(true);
  }, 60_000);
});

describe('the session is ended by another client', () => {
  it('holders are notified at once, waiters stand in line again, and the manager goes on', async () => {
    const root = newRoot();
    const other = managerOn(server.port, root);
    const name = newName();
    const theirs = await other.acquire(name, { ttlMs: 60_000 });
    const backend = createZooKeeperBackend({ connectionString: `127.0.0.1:${server.port}`, root, sessionTimeoutMs: 20_000 });
    const manager = createLockManager(backend, { unavailableAfterMs: 20_000 });
    managers.push(manager);
    const lease = await manager.acquire(newName(), { ttlMs: 60_000 });
    const victim = clients.at(-1);
    if (victim === undefined) throw new Error('no client');
    const waiting = manager.acquire(name, { waitMs: 60_000 });
    await until('it waits', async () => (await other.inspect(name)).waiters === 1);
    const start = performance.now();
    await endSession(server.port, victim);
    await until('the holder is notified', () => lease.signal.aborted, { timeoutMs: 10_000 });
    // Its heartbeat would notice after a third of the session.
    expect(performance.now() - start).toBeLessThan(5000);
    expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'session' });
    expect(theirs.isHeld).toBe(true);
    const free = await other.acquire(lease.name, { waitMs: 5000 });
    expect(free.fencingToken).toBeGreaterThan(lease.fencingToken);
    await theirs.release();
    expect(await (await waiting).release()).toBe(true);
  }, 60_000);
});

describe('the wire is cut again and again', () => {
  it('no two ever believe in a lock, no permit is lost or made, and nothing stays', async () => {
    const root = newRoot();
    const limit = 3;
    const wires = await Promise.all(
      Array.from({ length: 3 }, async () => {
        const proxy = await startTcpProxy({ target: server.port });
        const backend = createZooKeeperBackend({ connectionString: `127.0.0.1:${proxy.port}`, root, sessionTimeoutMs: 6000 });
        const manager = createLockManager(backend, { commandTimeoutMs: 1000, unavailableAfterMs: 20_000 });
        managers.push(manager);
        await manager.checkHealth();
        return { proxy, manager };
      }),
    );
    const start = performance.now();
    const faults: string[] = [];
    let grants = 0;
    // For a while, and on a busy machine until enough has happened.
    const isOver = (): boolean => performance.now() - start > (grants < 50 ? 25_000 : 4000);
    const writers: { isHeld: boolean }[] = [];
    const readers: { isHeld: boolean }[] = [];
    const permits: { isHeld: boolean; permits: number }[] = [];
    let last = 0n;
    const taker = async ({ manager }: (typeof wires)[number]): Promise<void> => {
      while (!isOver()) {
        const kind = Math.floor(Math.random() * 4);
        const options = { ttlMs: 60_000, waitMs: Math.random() < 0.3 ? 20 : 10_000 };
        const call =
          kind === 0
            ? manager.readWriteLock('rw').write.acquire(options)
            : kind === 1
              ? manager.readWriteLock('rw').read.acquire(options)
              : kind === 2
                ? manager.semaphore('s', { permits: limit }).acquire({ ...options, permits: 1 + Math.floor(Math.random() * limit) })
                : manager.acquire('lock', options);
        const lease = await call.catch((error: unknown) => {
          if (!isLockError(error, 'LOCK_TIMEOUT') && !isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) throw error;
          return null;
        });
        if (lease === null) continue;
        grants += 1;
        const believers = (list: readonly { isHeld: boolean }[]): number => list.filter(({ isHeld }) => isHeld).length;
        if (kind === 0) {
          writers.push(lease);
          if (believers(writers) > 1 || believers(readers) > 0) faults.push('a writer beside others');
        } else if (kind === 1) {
          readers.push(lease);
          if (believers(writers) > 0) faults.push('a reader beside a writer');
        } else if (kind === 2) {
          permits.push(lease as (typeof permits)[number]);
          const out = permits.filter(({ isHeld }) => isHeld).reduce((sum, one) => sum + one.permits, 0);
          if (out > limit) faults.push(`${out} of ${limit} permits`);
        } else {
          if ((lease.fencingToken ?? 0n) <= last) faults.push('a token that has not risen');
          last = lease.fencingToken ?? 0n;
        }
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 5));
        await lease.release().catch(() => {});
      }
    };
    const cutter = async (proxy: TcpProxy): Promise<void> => {
      while (!isOver()) {
        await new Promise((resolve) => setTimeout(resolve, 50 + Math.random() * 200));
        if (Math.random() < 0.5) proxy.silence(Math.random() < 0.5 ? 'up' : 'down');
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
        proxy.cut();
        await proxy.restore();
      }
    };
    await Promise.all([...wires.flatMap((wire) => [taker(wire), taker(wire), taker(wire)]), ...wires.map(({ proxy }) => cutter(proxy))]);
    expect(faults).toEqual([]);
    expect(grants).toBeGreaterThanOrEqual(50);
    // What was in doubt is cleared away, and with it all requests.
    const admin = await Admin.open(server.port);
    for (const kind of ['locks', 'semaphores', 'read-write']) {
      await until(`nothing is left of ${kind}`, async () => (await admin.children(`${root}/${kind}`)).length === 0, { timeoutMs: 15_000 });
    }
    admin.close();
    for (const { proxy } of wires) await proxy.close();
  }, 60_000);
});

describe('a batch', () => {
  it('of which one answer is unknown holds nothing afterwards', async () => {
    const root = newRoot();
    const proxy = await startTcpProxy({ target: server.port });
    const backend: LockBackend<bigint> = createZooKeeperBackend({
      connectionString: `127.0.0.1:${proxy.port}`,
      root,
      sessionTimeoutMs: 6000,
    });
    await take(backend, requestOf(newName()));
    proxy.silence('down');
    const requests: HoldRequest[] = [requestOf('a'), requestOf('b', 'read'), permitsOf('c', 1, 2)];
    const failing = backend.attempt(requests, callOf()).catch((error: unknown) => error);
    const admin = await Admin.open(server.port);
    await until('all are there', async () => (await admin.children(`${root}/semaphores/c`)).length === 1);
    proxy.cut();
    await proxy.restore();
    expect(await failing).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: true });
    for (const path of ['locks/a', 'read-write/b', 'semaphores/c']) {
      await until(`nothing is left of ${path}`, async () => (await admin.children(`${root}/${path}`)).length === 0);
    }
    admin.close();
    await backend.close();
    await proxy.close();
  });
});
