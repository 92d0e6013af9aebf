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
    const have = async (what: RegExp): Promise<boolean> => {
      const info = await askRedis(primary.port, 'INFO replication');
      return (info.match(what) ?? []).length === count;
    };
    await until(`${count} replicas of port ${primary.port} are online`, () => have(/^slave\d+:.*state=online/gm));
    // Online is what they are called once the data has been sent; up to a second later they begin to read what is written after it.
    await askRedis(primary.port, 'PUBLISH holdfast.test online');
    await until(`${count} replicas of port ${primary.port} follow`, () => have(/^slave\d+:.*state=online,offset=[1-9]/gm));
    const replica = replicas[0];
    if (!replica) throw new RangeError(`replicas must be at least 1, not ${count}`);
    return { primary, replica, replicas, close: () => place.close(), [Symbol.asyncDispose]: () => place.close() };
  });
}
