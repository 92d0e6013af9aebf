import { createRedisLockManager } from '@holdfast/redis';
import { newName } from '@holdfast/test/backend';
import { type RedisCluster, startRedisCluster, until } from '@holdfast/test/servers';
import { createClient, createCluster, RESP_TYPES } from 'redis';
import { createClient as createClient5, createCluster as createCluster5 } from 'redis-5';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { useRedis } from '../redis-harness.js';

const redis = useRedis();

interface UserClient {
  readonly isOpen: boolean;
  on(event: 'error', listener: () => void): unknown;
  connect(): Promise<unknown>;
  destroy(): unknown;
}

/** A client of the user's that ends with the test. */
async function connected<C extends UserClient>(client: C): Promise<C> {
  client.on('error', () => {});
  await client.connect();
  onTestFinished(() => {
    // redis 5 throws where the test has ended the client.
    if (client.isOpen) client.destroy();
  });
  return client;
}

interface Settings {
  readonly url: string;
  readonly disableOfflineQueue?: boolean;
  readonly commandOptions?: { readonly timeout: number };
}

describe.each([
  ['5', (settings: Settings) => createClient5(settings)],
  ['6', (settings: Settings) => createClient(settings)],
] as const)("a user's client of redis %s", (_, create) => {
  it('that reads all replies as bytes, and has times of its own, serves as any other', async () => {
    const client = await connected(create({ url: redis.server.url, commandOptions: { timeout: 1 } }));
    const locks = createRedisLockManager({ client: client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer }) });
    onTestFinished(() => locks.close());
    const name = newName();
    const others = createRedisLockManager({ url: redis.server.url });
    onTestFinished(() => others.close());
    const held = await others.acquire(name);
    const waiting = locks.acquire(name, { waitMs: 10_000 });
    await until('it waits', async () => (await others.inspect(name)).waiters === 1);
    await held.release();
    const next = await waiting;
    expect(next.fencingToken).toBeGreaterThan(held.fencingToken);
    await next.release();
    expect(await client.get(`holdfast:${name}`)).toBeNull();
  });

  it('is used as it is and never closed', async () => {
    const client = await connected(create({ url: redis.server.url }));
    const locks = createRedisLockManager({ client });
    await (await locks.acquire(newName())).release();
    await locks.close();
    expect(await client.ping()).toBe('PONG');
    expect(client.listenerCount('reconnecting')).toBe(0);
  });

  it('that has lost its connection is unavailable, and serves again once it has another', async () => {
    const client = await connected(create({ url: redis.server.url, disableOfflineQueue: true }));
    const locks = createRedisLockManager({ client, commandTimeoutMs: 1000 });
    onTestFinished(() => locks.close());
    const name = newName();
    await (await locks.acquire(name)).release();
    const lost = new Promise((resolve) => client.once('reconnecting', resolve));
    await redis.admin.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await lost;
    if (!client.isReady) await expect(locks.tryAcquire(name)).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: true });
    await until('it is connected', () => client.isReady);
    await (await locks.acquire(name)).release();
  });

  it('that was ended is unavailable, not busy, and the error says that the connection is closed', async () => {
    const client = await connected(create({ url: redis.server.url }));
    const locks = createRedisLockManager({ client, commandTimeoutMs: 500 });
    onTestFinished(() => locks.close());
    const name = newName();
    const lease = await locks.acquire(name);
    client.destroy();
    for (const call of [locks.tryAcquire(newName()), lease.release()]) {
      await expect(call).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', driver: 'redis' });
    }
  });

  it('that collects no commands serves while connected', async () => {
    const client = await connected(create({ url: redis.server.url, disableOfflineQueue: true }));
    const locks = createRedisLockManager({ client });
    onTestFinished(() => locks.close());
    await (await locks.acquire(newName())).release();
  });
});

it.each([2, 3] as const)('connections of our own speak RESP%s, where the driver is asked to', async (RESP) => {
  const locks = createRedisLockManager({ url: redis.server.url, driver: 'redis', driverOptions: { RESP } });
  onTestFinished(() => locks.close());
  const name = newName();
  const held = await locks.acquire(name);
  const waiting = locks.acquire(name, { waitMs: 10_000 });
  await held.release();
  await (await waiting).release();
  expect(await redis.admin.client('LIST')).toMatch(new RegExp(`cmd=evalsha .*resp=${RESP}`));
});

type Nodes = readonly { readonly socket: { readonly host: string; readonly port: number } }[];

describe("a user's cluster client", () => {
  let servers: RedisCluster;
  beforeAll(async () => {
    servers = await startRedisCluster({ replicas: 0 });
  });
  afterAll(() => servers.close());

  it.each([
    ['5', (nodes: Nodes) => createCluster5({ rootNodes: [...nodes] })],
    ['6', (nodes: Nodes) => createCluster({ rootNodes: [...nodes] })],
  ] as const)('of redis %s serves locks on all masters, waiters and lists', async (_, create) => {
    const cluster = create(servers.nodes.map(({ host, port }) => ({ socket: { host, port } })));
    cluster.on('error', () => {});
    await cluster.connect();
    onTestFinished(() => cluster.destroy());
    const locks = createRedisLockManager({ client: cluster });
    const others = createRedisLockManager({ url: servers.url });
    onTestFinished(async () => {
      await locks.close();
      await others.close();
    });
    const names = Array.from({ length: 30 }, () => newName());
    const held = await locks.acquireAll(names);
    for (const name of names) expect(await others.tryAcquire(name)).toBeNull();
    const waiting = others.acquire(names[0] ?? '', { waitMs: 10_000 });
    await held.release();
    await (await waiting).release();
    expect((await locks.checkHealth()).ok).toBe(true);
  });
});
