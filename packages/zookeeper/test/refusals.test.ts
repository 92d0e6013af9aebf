import { createLockManager, isLockError } from '@holdfast/core';
import { attempt, callOf, free, newName, permitsOf, requestOf, take } from '@holdfast/test/backend';
import { until } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { CuttingRelay } from './cutting-relay.js';
import { newRoot, stand, useZooKeeper } from './zookeeper-harness.js';

async function refusalOf(promise: Promise<unknown>): Promise<{ readonly retryable: boolean; readonly message: string }> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) throw new Error('not refused', { cause: error });
  return error;
}

describe('a server that demands authentication', () => {
  const zooKeeper = useZooKeeper({ config: { 'enforce.auth.enabled': 'true', 'enforce.auth.schemes': 'digest' }, auth: 'admin:word' });

  it('refuses those who give none at once and permanently', async () => {
    const backend = zooKeeper.backend();
    const start = performance.now();
    const { retryable, message } = await refusalOf(backend.attempt([requestOf(newName())], callOf(20_000)));
    expect(performance.now() - start).toBeLessThan(5000);
    expect(retryable).toBe(false);
    expect(message).toMatch(/authentication/);
    const manager = createLockManager(zooKeeper.backend());
    const waiting = manager.acquire(newName(), { waitMs: 20_000 });
    expect((await refusalOf(waiting)).retryable).toBe(false);
    await manager.close();
  });

  it('serves those who do', async () => {
    const backend = zooKeeper.backend({ auth: { credentials: 'shop:word' } });
    const request = requestOf(newName());
    await take(backend, request);
    expect(await free(backend, request)).toBe(true);
  });
});

describe('a quota', () => {
  const zooKeeper = useZooKeeper({ config: { enforceQuota: 'true' } });

  /** At most so many nodes under the root, itself included. */
  async function limit(root: string, nodes: number): Promise<void> {
    await zooKeeper.admin.create(`/zookeeper/quota${root}`);
    const limits = `count=-1,bytes=-1;byteHardLimit=-1;countHardLimit=${nodes}`;
    await zooKeeper.admin.create(`/zookeeper/quota${root}/zookeeper_limits`, limits);
    await zooKeeper.admin.create(`/zookeeper/quota${root}/zookeeper_stats`, `count=${nodes},bytes=0`);
  }

  it('that is exceeded is reported as that, and harms nobody who holds, waits or frees', async () => {
    const root = newRoot();
    const lost: unknown[] = [];
    const backend = zooKeeper.backend({ root });
    backend.onLost?.((hold, reason) => void lost.push([hold, reason]));
    const name = newName();
    const holder = requestOf(name);
    await take(backend, holder);
    const next = requestOf(name);
    const waiting = stand(backend, next);
    await until('it waits', async () => (await backend.inspect(name, 'lock', callOf())).waiters === 1);
    await limit(root, 8);
    const requests = [requestOf(newName()), permitsOf(newName(), 1, 2), requestOf(newName(), 'read'), requestOf(name)];
    for (const request of requests) {
      const { retryable, message } = await refusalOf(attempt(backend, request));
      expect(retryable).toBe(true);
      expect(message).toMatch(/quota/);
    }
    expect((await refusalOf(stand(backend, requestOf(newName())))).message).toMatch(/quota/);
    expect((await refusalOf(backend.marks?.set('done', 1000, callOf()) ?? Promise.resolve())).message).toMatch(/quota/);
    expect(await backend.renew([{ ...holder, ttlMs: 10_000 }], callOf())).toEqual([true]);
    expect(await free(backend, holder)).toBe(true);
    await waiting;
    expect(await free(backend, next)).toBe(true);
    expect(lost).toEqual([]);
  });

  it('that leaves no room for a session is the reason that calls hear, over one connection, until there is room', async () => {
    const root = newRoot();
    const first = zooKeeper.backend({ root });
    const request = requestOf(newName());
    await take(first, request);
    await limit(root, 8);
    const relay = await CuttingRelay.open(zooKeeper.server.port);
    const second = zooKeeper.backend({ root, connectionString: `127.0.0.1:${relay.port}` });
    const late = requestOf(newName());
    const start = performance.now();
    expect((await refusalOf(attempt(second, late, 10_000))).message).toMatch(/quota/);
    expect((await refusalOf(second.checkHealth(callOf(10_000)))).message).toMatch(/quota/);
    expect(performance.now() - start).toBeLessThan(5000);
    await zooKeeper.admin.removeAll(`/zookeeper/quota${root}`);
    await until('there is room', async () => (await attempt(second, late).catch(() => null))?.granted === true);
    expect(await free(second, late)).toBe(true);
    expect(relay.requests).toHaveLength(1);
    await second.close();
    await relay.close();
  });
});
