import { hasMethods } from '@holdfast/core/backend';
import { type BunRedisClient, isBunClient } from './bun/bun-client.js';
import { BunPort } from './bun/bun-port.js';
import { type GlideClient, isGlideClient, isGlideCluster } from './glide/glide-client.js';
import { GlideClusterPort } from './glide/glide-cluster-port.js';
import { GlidePort } from './glide/glide-port.js';
import { type IoredisClient, isIoredisClient } from './ioredis/ioredis-client.js';
import { IoredisPort } from './ioredis/ioredis-port.js';
import {
  isNodeRedisClient,
  isNodeRedisCluster,
  isNodeRedisSentinel,
  type NodeRedisClient,
  type NodeRedisCluster,
  type NodeRedisSentinel,
} from './node-redis/node-redis-client.js';
import { NodeRedisClusterPort } from './node-redis/node-redis-cluster-port.js';
import { NodeRedisPort } from './node-redis/node-redis-port.js';
import { NodeRedisSentinelPort } from './node-redis/node-redis-sentinel-port.js';
import type { RedisPort } from './redis-port.js';
import { seenAs } from './seen-client.js';

/**
 * A client that Holdfast knows by its shape, or a port to one that Holdfast does not know. It is used as it is and never closed; connections
 * of our own are made from it.
 */
export type RedisClient = IoredisClient | NodeRedisClient | NodeRedisCluster | NodeRedisSentinel | GlideClient | BunRedisClient | RedisPort;

const KNOWN =
  'must be a client of ioredis or iovalkey (Redis, Cluster) or of redis 5 or 6 (createClient, createCluster, createSentinel) or of @valkey/valkey-glide 2 (GlideClient, GlideClusterClient), Bun.RedisClient, or a RedisPort to another';

/** The port of a client of the user's, or what is wrong with it. */
export function portOf(client: unknown): RedisPort | string {
  if (isPort(client)) return client;
  if (isIoredisClient(client)) return new IoredisPort(client, false);
  if (isNodeRedisCluster(client)) return new NodeRedisClusterPort(client, false);
  if (isNodeRedisSentinel(client)) return new NodeRedisSentinelPort(client);
  if (isGlideClient(client)) {
    // What is asked of the server must not be answered by another.
    if (![undefined, 'primary'].includes(client.config?.readFrom as string | undefined))
      return 'must ask the primary: pass a client of @valkey/valkey-glide that was made without readFrom';
    if (client.config?.readOnly === true) return 'must write: pass a client of @valkey/valkey-glide that was made without readOnly';
    return isGlideCluster(client) ? GlideClusterPort.of(client) : GlidePort.of(client);
  }
  if (isBunClient(client)) return new BunPort(client);
  if (isNodeRedisClient(client)) return new NodeRedisPort(client, false);
  return `${KNOWN}; this looks like ${seenAs(client)}`;
}

function isPort(value: unknown): value is RedisPort {
  const methods = ['run', 'call', 'listen', 'onLost', 'another', 'end', 'ready'];
  return hasMethods(value, ...methods) && typeof (value as Partial<RedisPort>).driver === 'string';
}
