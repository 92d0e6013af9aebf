import { type IoredisClient, isIoredisClient } from './ioredis/ioredis-client.js';
import { IoredisPort } from './ioredis/ioredis-port.js';
import { isNodeRedisClient, isNodeRedisCluster, type NodeRedisClient, type NodeRedisCluster } from './node-redis/node-redis-client.js';
import { NodeRedisClusterPort } from './node-redis/node-redis-cluster-port.js';
import { NodeRedisPort } from './node-redis/node-redis-port.js';
import type { RedisPort } from './redis-port.js';

/**
 * A client that Holdfast knows by its shape, or a port to one that Holdfast does not know. It is used as it is and never closed; connections
 * of our own are made from it.
 */
export type RedisClient = IoredisClient | NodeRedisClient | NodeRedisCluster | RedisPort;

const KNOWN =
  'must be a client of ioredis or iovalkey (Redis, Cluster) or of redis 5 or 6 (createClient, createCluster), or a RedisPort to another';

/** The port of a client of the user's, or what is wrong with it. */
export function portOf(client: unknown): RedisPort | string {
  if (isPort(client)) return client;
  if (isIoredisClient(client)) return new IoredisPort(client, false);
  if (isNodeRedisCluster(client)) return new NodeRedisClusterPort(client, false);
  if (isNodeRedisClient(client)) return new NodeRedisPort(client, false);
  const seen = seenAs(client);
  return seen === null ? KNOWN : `${KNOWN}; this looks like ${seen}`;
}

function has(value: object, ...names: readonly string[]): boolean {
  return names.every((name) => typeof (value as Readonly<Record<string, unknown>>)[name] === 'function');
}

function isPort(value: unknown): value is RedisPort {
  if (typeof value !== 'object' || value === null) return false;
  return (
    has(value, 'run', 'call', 'listen', 'onLost', 'another', 'end', 'ready') && typeof (value as Partial<RedisPort>).driver === 'string'
  );
}

/** What people pass instead. A value is never shown: it may hold a password. */
function seenAs(value: unknown): string | null {
  if (typeof value === 'string') return 'a string: an address goes with url';
  if (typeof value === 'function') return 'a function: call it, and pass what it makes';
  if (typeof value !== 'object' || value === null) return null;
  if (has(value, 'then')) return 'a promise: await the client first';
  if ('getMasterNode' in value) return 'a sentinel client of redis: use url with redis+sentinel:// and driver: "redis"';
  if (has(value, 'sendCommand', 'execute') && 'totalClients' in value) return 'a pool of redis: pass a client, createClient()';
  if (has(value, 'sendCommand', 'disconnect', 'v4') || (has(value, 'sendCommand', 'disconnect') && !has(value, 'destroy')))
    return 'a client of redis 4 or older: use redis 5 or later';
  if (has(value, 'internal_send_command') || has(value, 'send_command')) return 'a client of redis 3 or older: use redis 5 or later';
  if (has(value, 'createClient') || has(value, 'Redis')) return 'the module of a driver: pass a client that it makes';
  if (has(value, 'evalsha', 'pipeline') && !has(value, 'subscribe', 'duplicate')) return 'a client of @upstash/redis, which cannot listen';
  return null;
}
