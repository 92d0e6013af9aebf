import { isLockError, type LockBackend, type LockUnavailableError } from '@holdfast/core';
import { openBackend } from '@holdfast/redis';
import { attempt, callOf, free, freeAll, newName, newOwner, permitsOf, requestOf, take } from '@holdfast/test/backend';
import { type RedisServer, reservePort, startRedis, startRedisWithReplica, startTcpProxy, until } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
import { Redis as Redis6 } from 'ioredis-6';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { standIn, waitersOf } from './redis-harness.js';
import { chosenDriver, createRedisBackend } from './chosen-driver.js';

const rejections: unknown[] = [];
const onRejection = (reason: unknown): void => void rejections.push(reason);
const open: { close(): Promise<void> }[] = [];

beforeEach(() => {
  rejections.length = 0;
  process.on('unhandledRejection', onRejection);
});
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
  process.off('unhandledRejection', onRejection);
  expect(rejections).toEqual([]);
});

function keep<T extends { close(): Promise<void> }>(value: T): T {
  open.push(value);
  return value;
}

async function serverWith(config: Record<string, string | number> = {}): Promise<RedisServer> {
  return keep(await startRedis({ config: { 'repl-ping-replica-period': 1, ...config } }));
}

async function failure(promise: Promise<unknown>): Promise<LockUnavailableError> {
  const outcome = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  const error = 'error' in outcome ? outcome.error : undefined;
  if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) throw new Error('not refused as unavailable', { cause: error ?? outcome });
  return error;
}

/** The same backend takes and frees a lock again. */
async function recovers(backend: LockBackend<bigint>): Promise<void> {
  const request = requestOf(newName());
  await until('it works again', async () => (await attempt(backend, request, 1000)).granted, { timeoutMs: 15_000 });
  expect(await free(backend, request)).toBe(true);
}

describe('a server that is far away', () => {
  it('is reached for all, though the first to ask can wait for less than a connection takes', async () => {
    const server = await serverWith();
    const proxy = keep(await startTcpProxy({ target: server.port }));
    proxy.delayMs = 80;
    const backend = keep(createRedisBackend({ url: proxy.urlFor(server.url) }));
    const outcomes = await Promise.all([
      backend.attempt([requestOf(newName())], callOf(30, AbortSignal.timeout(30))).catch(() => null),
      attempt(backend, requestOf(newName()), 5000),
    ]);
    expect(outcomes[1]).toMatchObject({ granted: true });
  });
});

describe('a server that is down', () => {
  it('at the first call is reported at once, and the backend works when it is there', async () => {
    const port = await reservePort();
    const backend = keep(createRedisBackend({ url: `redis://:secret-word@127.0.0.1:${port.port}` }));
    const start = performance.now();
    const error = await failure(attempt(backend, requestOf(newName()), 1000));
    expect(error.retryable).toBe(true);
    expect(performance.now() - start).toBeLessThan(1500);
    expect(JSON.stringify([error, error.message, String(error.cause), error.stack])).not.toContain('secret-word');
    port.release();
  });

  it('dies while a lock is held: calls fail, nothing hangs, and all works after a restart', async () => {
    const server = await serverWith();
    const backend = keep(createRedisBackend({ url: server.url }));
    const request = requestOf(newName());
    await take(backend, request);
    await server.kill();
    expect((await failure(backend.renew([{ ...request, ttlMs: 1000 }], callOf(1000)))).retryable).toBe(true);
    await failure(attempt(backend, requestOf(newName()), 1000));
    await failure(backend.inspect('x', 'lock', callOf(1000)));
    await server.restart();
    await recovers(backend);
    expect(await backend.renew([{ ...request, ttlMs: 1000 }], callOf())).toEqual([false]);
  });

  it('has the lock that is held when it comes back, if it persists each write', async () => {
    const server = await serverWith({ appendonly: 'yes', appendfsync: 'always' });
    const backend = keep(createRedisBackend({ url: server.url }));
    const request = requestOf(newName(), 'exclusive', { ttlMs: 60_000 });
    await take(backend, request);
    await server.kill();
    await server.restart();
    await recovers(backend);
    expect((await attempt(backend, requestOf(request.name))).granted).toBe(false);
    expect(await free(backend, request)).toBe(true);
  });

  it.each([5, 6])('is ridden out by a client of the user, ioredis %i, which stays the user’s', async (version) => {
    const server = await serverWith();
    const options = { port: server.port, retryStrategy: () => 50, maxRetriesPerRequest: 1 };
    const client = version === 5 ? new Redis(options) : new Redis6(options);
    client.on('error', () => {});
    const backend = createRedisBackend({ client });
    const request = requestOf(newName());
    await take(backend, request);
    await server.kill();
    await failure(attempt(backend, requestOf(newName()), 1000));
    await server.restart();
    await recovers(backend);
    await backend.close();
    expect(await client.ping()).toBe('PONG');
    client.disconnect();
  });
});

describe('a server that hangs', () => {
  it('is given up after the call’s time, and found again', async () => {
    const server = await serverWith();
    const backend = keep(createRedisBackend({ url: server.url }));
    const request = requestOf(newName());
    await take(backend, request);
    await server.pause();
    const start = performance.now();
    const error = await failure(attempt(backend, requestOf(newName()), 500));
    expect(error.retryable).toBe(true);
    await failure(attempt(backend, requestOf(newName()), 500));
    expect(performance.now() - start).toBeLessThan(3000);
    await server.continue();
    await recovers(backend);
  });

  it('does not hang close()', async () => {
    const server = await serverWith();
    const backend = createRedisBackend({ url: server.url });
    await take(backend, requestOf(newName()));
    await server.pause();
    const pending = attempt(backend, requestOf(newName()), 60_000).catch((error: unknown) => error);
    const start = performance.now();
    await backend.close();
    expect(performance.now() - start).toBeLessThan(3000);
    expect(isLockError(await pending, 'LOCK_BACKEND_UNAVAILABLE')).toBe(true);
    await server.continue();
  });

  it('is distinguished from a busy lock while connecting', async () => {
    const server = await serverWith();
    const proxy = keep(await startTcpProxy({ target: server.port }));
    proxy.silence();
    const backend = keep(createRedisBackend({ url: proxy.urlFor(server.url) }));
    const start = performance.now();
    await failure(attempt(backend, requestOf(newName()), 500));
    expect(performance.now() - start).toBeLessThan(2000);
    proxy.cut();
    await proxy.restore();
    await recovers(backend);
  });

  it('whose replies are lost leaves the outcome open until the connection ends, and a release undoes it', async () => {
    const server = await serverWith();
    const proxy = keep(await startTcpProxy({ target: server.port }));
    const backend = keep(createRedisBackend({ url: proxy.urlFor(server.url) }));
    await take(backend, requestOf(newName()));
    proxy.silence('down');
    const lost = requestOf(newName());
    await failure(attempt(backend, lost, 500));
    await proxy.restore();
    await until('the release is answered', async () => {
      await backend.release([lost], callOf(1000));
      return true;
    });
    await take(backend, requestOf(lost.name));
  });
});

describe('a server that refuses', () => {
  it('as it has no memory left: unavailable, and releases still work', async () => {
    const server = await serverWith({ 'maxmemory-policy': 'noeviction' });
    const backend = keep(createRedisBackend({ url: server.url }));
    const admin = new Redis(server.port);
    const request = requestOf(newName());
    // Permits and readers are in sets: the server counts it as a want of memory even when only a score of one is moved.
    const shared = [permitsOf(newName(), 2, 4), requestOf(newName(), 'read')] as const;
    const others = shared.map(({ name, ...rest }) => ({ ...rest, name, owner: newOwner(), ttlMs: 60_000 }));
    for (const each of [...others, request, ...shared]) await take(backend, each);
    await admin.config('SET', 'maxmemory', '1');
    const error = await failure(attempt(backend, requestOf(newName())));
    expect(error.retryable).toBe(true);
    expect(error.message).toContain('OOM');
    for (const batch of [[request], ...shared.map((first) => [first, request])]) {
      expect(
        await backend.renew(
          batch.map((each) => ({ ...each, ttlMs: 40_000 })),
          callOf(),
        ),
      ).not.toContain(false);
    }
    expect(await freeAll(backend, [...shared, ...others, request])).not.toContain(false);
    await admin.config('SET', 'maxmemory', '0');
    await recovers(backend);
    admin.disconnect();
  });

  it('because it evicts: permanently, unless the options say otherwise', async () => {
    const server = await serverWith({ 'maxmemory-policy': 'allkeys-lru' });
    const refused = await failure(attempt(keep(createRedisBackend({ url: server.url })), requestOf(newName())));
    expect(refused.retryable).toBe(false);
    expect(refused.message).toContain('maxmemory-policy');
    const client = new Redis(server.port);
    expect((await failure(attempt(keep(createRedisBackend({ client })), requestOf(newName())))).retryable).toBe(false);
    await take(keep(createRedisBackend({ client, allowEviction: true })), requestOf(newName()));
    const admin = new Redis(server.port);
    const backend = keep(createRedisBackend({ url: server.url }));
    await failure(attempt(backend, requestOf(newName())));
    await admin.config('SET', 'maxmemory-policy', 'noeviction');
    await recovers(backend);
    admin.disconnect();
    client.disconnect();
  });

  it('as a read-only replica', async () => {
    const pair = keep(await startRedisWithReplica());
    const backend = keep(createRedisBackend({ url: pair.replica.url }));
    const error = await failure(attempt(backend, requestOf(newName())));
    expect(error.retryable).toBe(true);
    expect(error.message).toContain('READONLY');
    const admin = new Redis(pair.replica.port);
    await admin.replicaof('NO', 'ONE');
    await recovers(backend);
    admin.disconnect();
  });

  it.each(['redis://:wrong-word@', 'redis://user:wrong-word@', 'redis://'])(
    'the password of %s, permanently, without showing it',
    async (start) => {
      const server = await serverWith({ requirepass: 'right-word' });
      const backend = keep(createRedisBackend({ url: server.url.replace('redis://', start) }));
      const error = await failure(attempt(backend, requestOf(newName())));
      expect(error.retryable).toBe(false);
      const text = JSON.stringify([error, error.message, String(error.cause), error.stack, (error.cause as Error).stack]);
      expect(text).not.toContain('wrong-word');
      const client = new Redis({ port: server.port, password: 'wrong-word', retryStrategy: null });
      client.on('error', () => {});
      const second = await failure(attempt(keep(createRedisBackend({ client })), requestOf(newName())));
      expect(JSON.stringify([second, second.stack, (second.cause as Error).stack])).not.toContain('wrong-word');
      client.disconnect();
    },
  );

  it('a database that it does not have, permanently, and never takes another one', async () => {
    const server = await serverWith();
    const error = await failure(attempt(keep(createRedisBackend({ url: `${server.url}/99` })), requestOf('x')));
    // GLIDE reports a timeout, and not what the server has said.
    expect(error.retryable).toBe(chosenDriver === '@valkey/valkey-glide');
    const third = keep(openBackend(`${server.url}/3`, { prefix: 'a:' }));
    await take(third, requestOf('x'));
    const admin = new Redis(server.port, { db: 3 });
    expect(await admin.exists('a:x')).toBe(1);
    admin.disconnect();
  });

  it('a plain server as a cluster, permanently', async () => {
    const server = await serverWith();
    const error = await failure(attempt(keep(openBackend(server.url.replace('redis:', 'redis+cluster:'))), requestOf('x')));
    expect(error.retryable).toBe(false);
  });
});

describe('scripts', () => {
  it('are loaded again after SCRIPT FLUSH, without a call failing', async () => {
    const server = await serverWith();
    const backend = keep(createRedisBackend({ url: server.url }));
    const admin = new Redis(server.port);
    for (let i = 0; i < 3; i++) {
      const requests = Array.from({ length: 20 }, () => requestOf(newName()));
      const grants = await Promise.all(requests.map((request) => take(backend, request)));
      expect(new Set(grants.map(({ fencingToken }) => fencingToken)).size).toBeGreaterThan(0);
      await admin.script('FLUSH');
      expect(await backend.release(requests, callOf())).not.toContain(false);
    }
    admin.disconnect();
  });

  it('answer clients that turn numbers into texts, and clients with a key prefix', async () => {
    const server = await serverWith();
    const client = new Redis({ port: server.port, stringNumbers: true, keyPrefix: 'tenant:' });
    const backend = keep(createRedisBackend({ client, prefix: 'a:' }));
    const name = newName();
    const request = requestOf(name, 'exclusive', { ttlMs: 5000 });
    await take(backend, request);
    const busy = await attempt(backend, requestOf(name));
    expect(!busy.granted && busy.remainingMs).toBeGreaterThan(1000);
    const admin = new Redis(server.port);
    expect(await admin.exists(`tenant:a:${name}`)).toBe(1);
    expect((await admin.keys('*')).filter((key) => !key.startsWith('tenant:'))).toEqual([]);
    const names: string[] = [];
    for await (const state of backend.list?.('', callOf()) ?? []) names.push(state.name);
    expect(names).toEqual([name]);
    const waiting = standIn(backend, requestOf(name));
    await until('it waits', async () => (await waitersOf(backend, name)) === 1);
    await free(backend, request);
    await waiting;
    admin.disconnect();
    client.disconnect();
  });
});

describe('what stays open', () => {
  it('is nothing: no connection after close, and no process kept alive while idle', async () => {
    const server = await serverWith();
    const admin = new Redis(server.port);
    const backend = createRedisBackend({ url: server.url });
    const request = requestOf(newName());
    await take(backend, request);
    const leaving = new AbortController();
    const waiting = standIn(backend, requestOf(request.name), leaving.signal).catch(() => {});
    await until(
      'the channel stands',
      async () => (await admin.pubsub('NUMPAT')) !== null && ((await admin.pubsub('CHANNELS')) as string[]).length === 1,
    );
    leaving.abort(new Error('enough'));
    await waiting;
    await backend.close();
    await until(
      'its connections have ended',
      async () =>
        String(await admin.client('LIST'))
          .trim()
          .split('\n').length === 1,
    );
    admin.disconnect();
  });
});
