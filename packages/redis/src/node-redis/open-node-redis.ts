import { findMaster } from '../find-master.js';
import type { RedisAddress, RedisPort } from '../redis-port.js';
import type { RedisTarget } from '../redis-url.js';
import type { NodeRedisDriverClient, NodeRedisDriverCluster } from './node-redis-client.js';
import { NodeRedisClusterPort } from './node-redis-cluster-port.js';
import { NodeRedisPort } from './node-redis-port.js';
import { ownOptions } from './own-options.js';

type Options = Readonly<Record<string, unknown>>;

/** What is used of the module `redis`. */
export interface NodeRedisModule {
  createClient(options: object): NodeRedisDriverClient;
  createCluster(options: object): NodeRedisDriverCluster;
}

/** Whether a module is node-redis: version 4 has no sentinels, and other ways to end a connection. */
export function isNodeRedis(candidate: unknown): candidate is NodeRedisModule {
  const module = candidate as Options | null | undefined;
  return ['createClient', 'createCluster', 'createSentinel'].every((name) => typeof module?.[name] === 'function');
}

/** Makes a client that begins to connect. */
export function openNodeRedis(module: NodeRedisModule, target: RedisTarget, driverOptions: Options): Promise<RedisPort> | RedisPort {
  const { hosts, tls, username, password, db, masterName, kind } = target;
  const { sentinelUsername, sentinelPassword, nodeAddressMap, ...given } = driverOptions;
  const credentials = present({ username: username ?? undefined, password: password ?? undefined });
  const options = (own: Options): Record<string, unknown> => {
    const socket = { keepAlive: true, keepAliveInitialDelay: 10_000, ...(tls ? { tls: true } : {}), ...(given['socket'] as object) };
    return ownOptions({ ...own, ...given, socket });
  };
  const open = ({ host, port }: RedisAddress, own: Options): RedisPort => {
    const { socket, ...rest } = options(own);
    return new NodeRedisPort(module.createClient({ ...rest, socket: { ...(socket as object), host, port } }), true);
  };
  if (kind === 'standalone') return open(hosts[0], { ...credentials, database: db });
  if (kind === 'sentinel') {
    return findMaster({
      sentinels: hosts,
      masterName: masterName ?? '',
      openSentinel: (address) => open(address, present({ username: sentinelUsername, password: sentinelPassword })),
      openServer: (address) => open(address, { ...credentials, database: db }),
    });
  }
  const cluster = module.createCluster({
    rootNodes: hosts.map(({ host, port }) => ({ socket: { host, port } })),
    defaults: options(credentials),
    // Of its own, not of its nodes.
    RESP: options({})['RESP'],
    ...present({ nodeAddressMap }),
    useReplicas: false,
    // A master that is down must not stand in the way of the others.
    minimizeConnections: true,
    maxCommandRedirections: 6,
  });
  return new NodeRedisClusterPort(cluster, true);
}

function present(values: Options): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
