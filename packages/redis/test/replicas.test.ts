import { isLockError, type LockBackend } from '@holdfast/core';
import { attempt, callOf, free, newName, requestOf, take } from '@holdfast/test/backend';
import { askRedis, type RedisWithReplica, startRedisCluster, startRedisWithReplica, until } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { standIn, type OptionsHere, reachedBy } from './redis-harness.js';
import { createRedisBackend } from './chosen-driver.js';

let pair: RedisWithReplica;
let admin: Redis;
let replica: Redis;
const backends: LockBackend<bigint>[] = [];

beforeAll(async () => {
  pair = await startRedisWithReplica();
  admin = new Redis(pair.primary.port);
  replica = new Redis(pair.replica.port);
});
afterEach(async () => {
  await Promise.all(backends.splice(0).map((backend) => backend.close()));
});
afterAll(async () => {
  admin.disconnect();
  replica.disconnect();
  await pair.close();
});

function backendOf(options: OptionsHere = {}): LockBackend<bigint> {
  const backend = createRedisBackend(reachedBy(pair.primary.url, { replicas: { min: 1, timeoutMs: 300 }, ...options }));
  backends.push(backend);
  return backend;
}

describe('confirmation by replicas', () => {
  it('comes before the grant, the renewal and the mark', async () => {
    const backend = backendOf();
    const requests = Array.from({ length: 20 }, () => requestOf(newName()));
    await Promise.all(
      requests.map(async (request) => {
        await take(backend, request);
        expect(await replica.exists(`holdfast:${request.name}`)).toBe(1);
      }),
    );
    expect(
      await backend.renew(
        requests.map((request) => ({ ...request, ttlMs: 60_000 })),
        callOf(),
      ),
    ).not.toContain(false);
    expect(await replica.pttl(`holdfast:${requests[0]?.name}`)).toBeGreaterThan(30_000);
    expect(await backend.marks?.set(newName(), 1000, callOf())).toBe(true);
    await backend.release(requests, callOf());
    expect((await standIn(backendOf({ fair: true }), requestOf(newName()))).granted).toBe(true);
  });

  it('failing, the grant is given back and the call fails; other commands do not wait behind it', async () => {
    const backend = backendOf();
    const fair = backendOf({ fair: true });
    // What stood behind its confirmations would be answered that much later.
    const patient = backendOf({ replicas: { min: 1, timeoutMs: 1800 } });
    const held = requestOf(newName());
    await take(backend, held);
    await take(patient, requestOf(newName()));
    await pair.replica.pause();
    try {
      const request = requestOf(newName());
      const pending = attempt(patient, request).catch((error: unknown) => error);
      const start = performance.now();
      await patient.inspect(held.name, 'lock', callOf());
      expect(performance.now() - start).toBeLessThan(1500);
      const error = await pending;
      expect(isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && error.retryable).toBe(true);
      await until('the lock is free again', async () => (await admin.exists(`holdfast:${request.name}`)) === 0);
      await expect(standIn(fair, request)).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
      await until('the lock is free again', async () => (await admin.exists(`holdfast:${request.name}`)) === 0);
      // A renewal that is not confirmed is not believed, and the hold stays.
      await expect(backend.renew([{ ...held, ttlMs: 60_000 }], callOf())).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
      expect(await admin.exists(`holdfast:${held.name}`)).toBe(1);
    } finally {
      await pair.replica.continue();
    }
    await until('it works again', async () => (await attempt(backend, requestOf(newName())).catch(() => null))?.granted === true);
    expect(await free(backend, held)).toBe(true);
  });

  it('cannot be given by more replicas than there are', async () => {
    await expect(attempt(backendOf({ replicas: { min: 2, timeoutMs: 100 } }), requestOf(newName()))).rejects.toMatchObject({
      code: 'LOCK_BACKEND_UNAVAILABLE',
    });
  });

  it('works through a client of the user', async () => {
    const client = new Redis(pair.primary.port, { keyPrefix: 'tenant:' });
    const request = requestOf(newName());
    await take(backendOf({ client, url: undefined }), request);
    expect(await replica.exists(`tenant:holdfast:${request.name}`)).toBe(1);
    client.disconnect();
  });

  it('is asked of every master of a cluster', async () => {
    await using cluster = await startRedisCluster();
    const backend = backendOf({ url: cluster.url, replicas: { min: 1, timeoutMs: 1000 } });
    const requests = Array.from({ length: 30 }, () => requestOf(newName()));
    expect((await backend.attempt(requests, callOf())).every(({ granted }) => granted)).toBe(true);
    expect(
      await backend.renew(
        requests.map((request) => ({ ...request, ttlMs: 20_000 })),
        callOf(),
      ),
    ).not.toContain(false);
    const refusing = backendOf({ url: cluster.url, replicas: { min: 2, timeoutMs: 100 } });
    await expect(attempt(refusing, requestOf(newName()))).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    await backend.close();
    await refusing.close();
  });
});

describe('a fail-over', () => {
  it('forgets a grant that no replica has, and the lock is granted once more', async () => {
    await using failing = await startRedisWithReplica();
    const { primary, replica: next } = failing;
    const before = createRedisBackend({ url: primary.url });
    backends.push(before);
    const held = requestOf(newName(), 'exclusive', { ttlMs: 60_000 });
    // A link that is cut has nothing on its way that the replica could read when it goes on.
    await next.pause();
    await askRedis(primary.port, 'CLIENT KILL TYPE replica');
    await take(before, held);
    await primary.kill();
    await next.continue();
    await askRedis(next.port, 'REPLICAOF NO ONE');
    const after = createRedisBackend({ url: next.url });
    backends.push(after);
    await take(after, requestOf(held.name));
  });
});
