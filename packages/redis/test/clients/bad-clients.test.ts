import { isLockError } from '@holdfast/core';
import {
  createRedisLockManager,
  type IoredisClient,
  type NodeRedisClient,
  type NodeRedisCluster,
  type NodeRedisSentinel,
  type RedisClient,
} from '@holdfast/redis';
import { newName } from '@holdfast/test/backend';
import { type RedisCluster, type RedisServer, startRedis, startRedisCluster } from '@holdfast/test/servers';
import { GlideClient, GlideClusterClient } from '@valkey/valkey-glide';
import { Cluster, Redis } from 'ioredis';
import { Cluster as Cluster6, Redis as Redis6 } from 'ioredis-6';
import { Cluster as ValkeyCluster, Redis as Valkey } from 'iovalkey';
import * as redis6 from 'redis';
import * as redis5 from 'redis-5';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { useRedis } from '../redis-harness.js';

// Those that never answer wait side by side.
vi.setConfig({ maxConcurrency: 100 });

const redis = useRedis();
let replica: RedisServer;
let cluster: RedisCluster;
beforeAll(async () => {
  const config = { replicaof: `127.0.0.1 ${redis.server.port}`, 'repl-diskless-sync-delay': 0 };
  [replica, cluster] = await Promise.all([startRedis({ config }), startRedisCluster({ replicas: 0 })]);
});
/** What ends the clients: tests that run side by side know nothing of each other. */
const endings: (() => unknown)[] = [];
afterAll(async () => {
  for (const end of endings) end();
  await Promise.all([replica.close(), cluster.close()]);
});

const HOST = '127.0.0.1';
/** Nothing listens there. */
const NOWHERE = 1;
const nodes = (): { readonly host: string; readonly port: number }[] => cluster.nodes.map(({ host, port }) => ({ host, port }));
const ended = <C>(client: C, end: (client: C) => unknown): C => {
  end(client);
  return client;
};

/** What clients of a driver are, and what is said of each. Drivers differ in what they take. */
type Make = () => Promise<RedisClient> | RedisClient;
type Kind =
  | 'connects by itself'
  | 'is connecting'
  | 'was never connected'
  | 'leads to where nobody listens'
  | 'was ended'
  | 'leads to a replica'
  | 'listens'
  | 'is of one server, and the server belongs to a cluster'
  | 'is of a cluster, and the server belongs to none'
  | 'is of a cluster and was never connected'
  | 'is of a cluster and was ended'
  | 'is of sentinels and was never connected'
  | 'is of sentinels, and the server is none';

const NOT_CONNECTED = { retryable: true, says: /has no connection: it has not connected yet, cannot connect, or was ended/ };
const NO_MASTER = { retryable: true, says: /no master is known: .* the server belongs to no cluster/ };

/** null: the client serves. */
const EXPECTED: Readonly<Record<Kind, { readonly retryable: boolean; readonly says: RegExp } | null>> = {
  'connects by itself': null,
  'is connecting': null,
  'was never connected': NOT_CONNECTED,
  'leads to where nobody listens': NOT_CONNECTED,
  'was ended': NOT_CONNECTED,
  'leads to a replica': { retryable: true, says: /read-only replica/ },
  listens: { retryable: false, says: /subscriber/ },
  'is of one server, and the server belongs to a cluster': { retryable: false, says: /belongs to a cluster; use .* Cluster client/ },
  'is of a cluster, and the server belongs to none': NO_MASTER,
  'is of a cluster and was never connected': NO_MASTER,
  'is of a cluster and was ended': NO_MASTER,
  'is of sentinels and was never connected': NOT_CONNECTED,
  'is of sentinels, and the server is none': NOT_CONNECTED,
};

interface OfIoredis extends IoredisClient {
  on(event: 'error', listener: () => void): unknown;
  subscribe(channel: string): Promise<unknown>;
}

/** A client of ioredis or the like that ends with its test. */
function kept<C extends OfIoredis>(client: C): C {
  client.on('error', () => {});
  endings.push(() => client.disconnect());
  return client;
}

interface IoredisOptions {
  readonly port?: number;
  readonly lazyConnect?: boolean;
  readonly sentinels?: { readonly host: string; readonly port: number }[];
  readonly name?: string;
}

function ofIoredis(one: (options: IoredisOptions) => OfIoredis, many: (nodes: { host: string; port: number }[]) => OfIoredis) {
  return {
    'connects by itself': () => kept(one({ port: redis.server.port, lazyConnect: true })),
    'is connecting': () => kept(one({ port: redis.server.port })),
    'leads to where nobody listens': () => kept(one({ port: NOWHERE })),
    'was ended': () => ended(kept(one({ port: redis.server.port })), (client) => client.disconnect()),
    'leads to a replica': () => kept(one({ port: replica.port })),
    'is of one server, and the server belongs to a cluster': () => kept(one({ port: nodes()[0]?.port ?? 0 })),
    'is of a cluster, and the server belongs to none': () => kept(many([{ host: HOST, port: redis.server.port }])),
    'is of a cluster and was ended': () => ended(kept(many(nodes())), (client) => client.disconnect()),
    'is of sentinels, and the server is none': () => kept(one({ sentinels: [{ host: HOST, port: redis.server.port }], name: 'main' })),
  } satisfies Partial<Record<Kind, Make>>;
}

async function listening(client: OfIoredis): Promise<RedisClient> {
  await kept(client).subscribe('somewhere');
  return client;
}

interface OfNodeRedis {
  readonly isOpen: boolean;
  on(event: 'error', listener: () => void): unknown;
  connect(): Promise<unknown>;
  destroy(): unknown;
}

/** A client of redis that ends with its test. */
function held<C extends OfNodeRedis>(client: C): C {
  client.on('error', () => {});
  endings.push(() => {
    if (client.isOpen) client.destroy();
  });
  return client;
}

function connecting<C extends OfNodeRedis>(client: C): C {
  held(client)
    .connect()
    .catch(() => {});
  return client;
}

async function connected<C extends OfNodeRedis>(client: C): Promise<C> {
  await held(client).connect();
  return client;
}

interface NodeRedisMakers {
  one(options: {
    url: string;
    RESP?: 2;
  }): OfNodeRedis & NodeRedisClient & { subscribe(channel: string, listener: () => void): Promise<unknown> };
  many(rootNodes: { socket: { host: string; port: number } }[]): OfNodeRedis & NodeRedisCluster;
  bySentinels(sentinelRootNodes: { host: string; port: number }[]): NodeRedisSentinel;
}

function ofNodeRedis({ one, many, bySentinels }: NodeRedisMakers) {
  const url = (port: number): string => `redis://${HOST}:${port}`;
  const all = () => many(nodes().map((socket) => ({ socket })));
  return {
    'is connecting': () => connecting(one({ url: redis.server.url })),
    'was never connected': () => held(one({ url: redis.server.url })),
    'leads to where nobody listens': () => connecting(one({ url: url(NOWHERE) })),
    'was ended': async () => ended(await connected(one({ url: redis.server.url })), (client) => client.destroy()),
    'leads to a replica': () => connected(one({ url: replica.url })),
    listens: async () => {
      const client = await connected(one({ url: redis.server.url, RESP: 2 }));
      await client.subscribe('somewhere', () => {});
      return client;
    },
    'is of one server, and the server belongs to a cluster': () => connected(one({ url: url(nodes()[0]?.port ?? 0) })),
    'is of a cluster, and the server belongs to none': () => connecting(many([{ socket: { host: HOST, port: redis.server.port } }])),
    'is of a cluster and was never connected': () => held(all()),
    'is of a cluster and was ended': async () => ended(await connected(all()), (client) => client.destroy()),
    'is of sentinels and was never connected': () => bySentinels([{ host: HOST, port: redis.server.port }]),
  } satisfies Partial<Record<Kind, Make>>;
}

/** A client of GLIDE that ends with its test. */
async function glide(port: number, settings: object = {}): Promise<GlideClient> {
  const client = await GlideClient.createClient({ requestTimeout: 5000, ...settings, addresses: [{ host: HOST, port }] });
  endings.push(() => client.close());
  return client;
}

async function glideCluster(ports: readonly number[], settings: object = {}): Promise<GlideClusterClient> {
  const addresses = ports.map((port) => ({ host: HOST, port }));
  const client = await GlideClusterClient.createClient({ requestTimeout: 5000, ...settings, addresses });
  endings.push(() => client.close());
  return client;
}

/** By the driver: which kinds of clients there are. GLIDE lets nobody make a client of a replica, unless it is not to look. */
const CLIENTS: Readonly<Record<string, Partial<Record<Kind, Make>>>> = {
  'ioredis 5': {
    ...ofIoredis(
      (options) => new Redis(options),
      (all) => new Cluster(all),
    ),
    listens: () => listening(new Redis(redis.server.port)),
  },
  'ioredis 6': ofIoredis(
    (options) => new Redis6(options),
    (all) => new Cluster6(all),
  ),
  iovalkey: {
    ...ofIoredis(
      (options) => new Valkey(options),
      (all) => new ValkeyCluster(all),
    ),
    listens: () => listening(new Valkey(redis.server.port)),
  },
  'redis 5': ofNodeRedis({
    one: (options) => redis5.createClient(options),
    many: (rootNodes) => redis5.createCluster({ rootNodes }),
    bySentinels: (sentinelRootNodes) => redis5.createSentinel({ name: 'main', sentinelRootNodes }),
  }),
  'redis 6': ofNodeRedis({
    one: (options) => redis6.createClient(options),
    many: (rootNodes) => redis6.createCluster({ rootNodes }),
    bySentinels: (sentinelRootNodes) => redis6.createSentinel({ name: 'main', sentinelRootNodes }),
  }),
  'GLIDE 2': {
    'connects by itself': () => glide(redis.server.port, { lazyConnect: true }),
    'was ended': async () => ended(await glide(redis.server.port), (client) => client.close()),
    'leads to a replica': () => glide(replica.port, { nodeDiscoveryMode: 1 }),
    'is of one server, and the server belongs to a cluster': () => glide(nodes()[0]?.port ?? 0),
    'is of a cluster, and the server belongs to none': () => glideCluster([redis.server.port], { lazyConnect: true }),
    'is of a cluster and was ended': async () => ended(await glideCluster(nodes().map(({ port }) => port)), (client) => client.close()),
  },
};

describe.concurrent.each(Object.entries(CLIENTS))("a user's client of %s", (_, kinds) => {
  it.for(Object.entries(kinds) as readonly (readonly [Kind, Make])[])('that %s', async ([kind, make]) => {
    // Longer than a connection takes, and short for those that never answer.
    const locks = createRedisLockManager({ client: await make(), commandTimeoutMs: 3000 });
    endings.push(() => locks.close());
    const expected = EXPECTED[kind];
    if (expected === null) {
      await (await locks.acquire(newName())).release();
      return;
    }
    let caught: unknown = null;
    // On a cluster some names are the node's own.
    for (let tries = 0; tries < 50 && caught === null; tries += 1) {
      // oxlint-disable-next-line no-await-in-loop
      const lease = await locks.tryAcquire(newName()).catch((error: unknown) => {
        caught = error;
        return null;
      });
      // oxlint-disable-next-line no-await-in-loop
      await lease?.release();
    }
    if (!isLockError(caught, 'LOCK_BACKEND_UNAVAILABLE')) throw caught;
    expect(caught.message).toMatch(expected.says);
    expect(caught.retryable).toBe(expected.retryable);
    expect(caught.driver).not.toBeNull();
  });
});

/** Clients whose keys begin with what the test says. */
const PREFIXED: Readonly<Record<string, (keyPrefix: string) => Promise<RedisClient> | RedisClient>> = {
  'ioredis 5': (keyPrefix) => kept(new Redis({ port: redis.server.port, keyPrefix })),
  'ioredis 5, which collects commands': (keyPrefix) => kept(new Redis({ port: redis.server.port, keyPrefix, enableAutoPipelining: true })),
  'ioredis 6': (keyPrefix) => kept(new Redis6({ port: redis.server.port, keyPrefix })),
  iovalkey: (keyPrefix) => kept(new Valkey({ port: redis.server.port, keyPrefix })),
  'redis 6': (keyPrefix) => connected(redis6.createClient({ url: redis.server.url, keyPrefix })),
};

it.each(Object.entries(PREFIXED))('a key prefix of %s gives a lock one name, and the same as any other client', async (_, make) => {
  const name = newName();
  const locks = createRedisLockManager({ client: await make('tenant:') });
  const others = createRedisLockManager({ client: kept(new Redis({ port: redis.server.port, keyPrefix: 'tenant:' })) });
  onTestFinished(async () => {
    await locks.close();
    await others.close();
  });
  const lease = await locks.acquire(name);
  expect(await redis.admin.keys(`*${name}*`)).toEqual([`tenant:holdfast:${name}`]);
  expect(await others.tryAcquire(name)).toBeNull();
  const listed: string[] = [];
  for await (const state of locks.list({ prefix: name })) listed.push(state.name);
  expect(listed).toEqual([name]);
  const waiting = others.acquire(name, { waitMs: 10_000 });
  await lease.release();
  await (await waiting).release();
});

const PREFIXED_CLUSTERS: Readonly<Record<string, (keyPrefix: string) => Promise<RedisClient> | RedisClient>> = {
  'ioredis 5': (keyPrefix) => kept(new Cluster(nodes(), { keyPrefix })),
  'ioredis 5, as an option of its nodes': (keyPrefix) => kept(new Cluster(nodes(), { redisOptions: { keyPrefix } })),
  'ioredis 6': (keyPrefix) => kept(new Cluster6(nodes(), { keyPrefix })),
  iovalkey: (keyPrefix) => kept(new ValkeyCluster(nodes(), { keyPrefix })),
  'redis 6': (keyPrefix) => connected(redis6.createCluster({ rootNodes: nodes().map((socket) => ({ socket })), keyPrefix })),
};

it.each(Object.entries(PREFIXED_CLUSTERS))('a key prefix of a cluster client of %s does so too', async (_, make) => {
  const name = newName();
  const locks = createRedisLockManager({ client: await make('tenant:') });
  const others = createRedisLockManager({ client: kept(new Cluster(nodes())), prefix: 'tenant:holdfast:' });
  onTestFinished(async () => {
    await locks.close();
    await others.close();
  });
  const lease = await locks.acquire(name);
  expect(await others.tryAcquire(name)).toBeNull();
  expect((await others.inspect(name)).held).toBe(true);
  await lease.release();
  expect((await others.inspect(name)).held).toBe(false);
});

it('a key prefix that the driver leaves out of its own commands (redis 5) is left out of ours', async () => {
  const options: object = { url: redis.server.url, keyPrefix: 'tenant:' };
  const client = await connected(redis5.createClient(options));
  const locks = createRedisLockManager({ client });
  onTestFinished(() => locks.close());
  const name = newName();
  const lease = await locks.acquire(name);
  expect(await client.exists(`holdfast:${name}`)).toBe(1);
  await lease.release();
});

it.each([
  [{ readFrom: 'preferReplica' }, 'readFrom'],
  [{ readOnly: true }, 'readOnly'],
])('a client of GLIDE that was made with %o is refused, with the reason', async (settings, said) => {
  const client = await glide(redis.server.port, settings);
  try {
    createRedisLockManager({ client });
    expect.unreachable();
  } catch (error) {
    if (!isLockError(error, 'LOCK_INVALID_ARGUMENT')) throw error;
    expect(error.message).toContain(said);
  }
});
