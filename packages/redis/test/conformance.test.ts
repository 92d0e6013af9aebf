import { randomBytes } from 'node:crypto';
import { createLockManager, type LockBackend, type LockManager, type ManagerOptions } from '@holdfast/core';
import {
  type ConformanceHarness,
  type ConformanceSetup,
  describeLockManager,
  type FaultName,
  injectFaults,
} from '@holdfast/core/conformance';
import { createRedisBackend, type RedisBackendOptions, type RedisClient } from '@holdfast/redis';
import { type RedisCluster, type RedisServer, startRedis, startRedisCluster, startTcpProxy, type TcpProxy } from '@holdfast/test/servers';
import { Cluster, Redis } from 'ioredis';
import { Redis as Redis6 } from 'ioredis-6';
import { afterAll, beforeAll, describe, it } from 'vitest';

let server: RedisServer;
let cluster: RedisCluster;
let admin: Redis;
let clusterAdmin: Cluster;

beforeAll(async () => {
  [server, cluster] = await Promise.all([startRedis(), startRedisCluster()]);
  admin = new Redis(server.port);
  clusterAdmin = new Cluster(cluster.nodes.map(({ host, port }) => ({ host, port })));
});
afterAll(async () => {
  admin.disconnect();
  clusterAdmin.disconnect();
  await Promise.all([server.close(), cluster.close()]);
});

const WIRE: readonly FaultName[] = [
  'disconnect',
  'reconnect',
  'freeze',
  'thaw',
  'loseNextReply',
  'requests',
  'residue',
  'crash',
  'killSession',
  'openBackend',
];
const GATE: readonly FaultName[] = ['disconnect', 'reconnect', 'freeze', 'thaw', 'loseNextReply', 'requests', 'residue', 'openBackend'];

/** What one case has opened. */
class Opened {
  readonly prefix = `c-${randomBytes(6).toString('hex')}:`;
  readonly backends: LockBackend<bigint>[] = [];
  readonly managers: LockManager<bigint>[] = [];
  readonly clients: RedisClient[] = [];
  readonly proxies: TcpProxy[] = [];

  backend(options: RedisBackendOptions): LockBackend<bigint> {
    const backend = createRedisBackend({ prefix: this.prefix, ...options });
    this.backends.push(backend);
    return backend;
  }

  manager(backend: LockBackend<bigint>, options: ManagerOptions = {}): LockManager<bigint> {
    const manager = createLockManager(backend, options);
    this.managers.push(manager);
    return manager;
  }

  /** Keys of this case but the fences, of which there is a bounded number. */
  async residue(keysOf: (pattern: string) => Promise<readonly string[]>): Promise<readonly string[]> {
    return keysOf(`*${this.prefix}*`);
  }

  async close(): Promise<void> {
    await Promise.all(this.proxies.map((proxy) => proxy.restore()));
    await Promise.all(this.managers.map((manager) => manager.close()));
    await Promise.all(this.backends.map((backend) => backend.close()));
    for (const client of this.clients) client.disconnect();
    await Promise.all(this.proxies.map((proxy) => proxy.close()));
  }
}

/** Through a proxy, so that faults happen on the wire; what has to hit one request exactly is injected before it. */
async function wired(options: RedisBackendOptions, managerOptions: ManagerOptions): Promise<ConformanceSetup> {
  const opened = new Opened();
  const links = new Map<LockManager, TcpProxy>();
  const connect = async (over: ManagerOptions = {}) => {
    const proxy = await startTcpProxy({ target: server.port });
    opened.proxies.push(proxy);
    const { backend, faults } = injectFaults(opened.backend({ url: proxy.urlFor(server.url), ...options }));
    const manager = opened.manager(backend, over);
    links.set(manager, proxy);
    return { manager, proxy, faults };
  };
  const { manager, proxy, faults } = await connect(managerOptions);
  return {
    manager,
    peer: async (over) => (await connect(over)).manager,
    faults: {
      disconnect: () => proxy.refuse(),
      reconnect: () => proxy.restore(),
      freeze: async () => proxy.silence(),
      thaw: () => proxy.restore(),
      loseNextReply: () => faults.loseNextReply(),
      requests: () => faults.requests(),
      killSession: async () => proxy.cut(),
      crash: async (peer) => links.get(peer)?.refuse(),
      residue: () => opened.residue((pattern) => admin.keys(pattern)),
      openBackend: () => opened.backend({ url: server.url, ...options }),
    },
    close: () => opened.close(),
  };
}

/** With a gate before the backend: for clients of the user, and a cluster, whose nodes tell their own addresses. */
function gated(
  open: (opened: Opened) => RedisBackendOptions,
  keysOf: (pattern: string) => Promise<readonly string[]>,
  managerOptions: ManagerOptions,
): ConformanceSetup {
  const opened = new Opened();
  const { backend, faults } = injectFaults(opened.backend(open(opened)));
  return {
    manager: opened.manager(backend, managerOptions),
    peer: (over) => opened.manager(opened.backend(open(opened)), over),
    faults: {
      ...faults,
      residue: () => opened.residue(keysOf),
      openBackend: () => opened.backend(open(opened)),
    },
    close: () => opened.close(),
  };
}

async function clusterKeys(pattern: string): Promise<readonly string[]> {
  return (await Promise.all(clusterAdmin.nodes('master').map((node) => node.keys(pattern)))).flat();
}

const withIoredis6 = (opened: Opened): RedisBackendOptions => {
  const client = new Redis6(server.port);
  client.on('error', () => {});
  opened.clients.push(client);
  return { client };
};

const harnesses: readonly ConformanceHarness[] = [
  { name: 'Redis', faults: WIRE, setup: (options) => wired({}, options) },
  { name: 'Redis with a fair queue', faults: WIRE, setup: (options) => wired({ fair: true }, options) },
  {
    name: 'Redis through a client of ioredis 6',
    faults: GATE,
    setup: (options) => gated(withIoredis6, (pattern) => admin.keys(pattern), options),
  },
  { name: 'Redis Cluster', faults: GATE, setup: (options) => gated(() => ({ url: cluster.url }), clusterKeys, options) },
];

for (const harness of harnesses) describeLockManager({ describe, it: it.concurrent }, harness);
