import { askRedis } from './ask-redis.js';
import { type RedisOptions, type RedisServer, redisSpec, startRedisIn } from './redis.js';
import { buildInPlace } from './server-place.js';
import { until } from './until.js';

export interface RedisReplicaOptions extends RedisOptions {
  /** @default 1 */
  readonly replicas?: number | undefined;
}

export interface RedisWithReplica extends AsyncDisposable {
  readonly primary: RedisServer;
  /** The first of `replicas`. */
  readonly replica: RedisServer;
  readonly replicas: readonly RedisServer[];
  close(): Promise<void>;
}

/** Starts a primary with replicas that have finished their first synchronisation. An address cannot stand in for them. */
export async function startRedisWithReplica(options: RedisReplicaOptions = {}): Promise<RedisWithReplica> {
  const count = options.replicas ?? 1;
  return buildInPlace(redisSpec, { count: count + 1 }, async (place) => {
    const config = { 'repl-diskless-sync': 'yes', 'repl-diskless-sync-delay': 0, 'repl-ping-replica-period': 1, ...options.config };
    const primary = await startRedisIn(place, 0, { ...options, config });
    const replicas: RedisServer[] = [];
    for (let index = 1; index <= count; index += 1) {
      replicas.push(await startRedisIn(place, index, { ...options, config: { ...config, replicaof: `127.0.0.1 ${primary.port}` } }));
    }
    await until(`${count} replicas of port ${primary.port} are online`, async () => {
      const info = await askRedis(primary.port, 'INFO replication');
      return (info.match(/^slave\d+:.*state=online/gm) ?? []).length === count;
    });
    const replica = replicas[0];
    if (!replica) throw new RangeError(`replicas must be at least 1, not ${count}`);
    return { primary, replica, replicas, close: () => place.close(), [Symbol.asyncDispose]: () => place.close() };
  });
}
