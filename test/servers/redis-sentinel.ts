import { askRedis } from './ask-redis.js';
import { type RedisServer, redisSpec, startRedisIn } from './redis.js';
import { buildInPlace } from './server-place.js';
import { until } from './until.js';

export interface RedisSentinelOptions {
  /** Fail-over needs more than half of them. @default 1 */
  readonly sentinels?: number | undefined;
  /** After this long without an answer the primary counts as down. @default 1_000 */
  readonly downAfterMs?: number | undefined;
}

export interface RedisWithSentinels extends AsyncDisposable {
  /** As it was at the start; a fail-over changes roles, not this. */
  readonly primary: RedisServer;
  readonly replica: RedisServer;
  readonly sentinels: readonly RedisServer[];
  /** The name by which the sentinels know the primary. */
  readonly name: string;
  /** `redis+sentinel://host:port,host:port/name`. */
  readonly url: string;
  /** The port of the primary as the first running sentinel sees it. */
  primaryPort(): Promise<number>;
  close(): Promise<void>;
}

const NAME = 'main';

/** Starts a primary, a replica and sentinels that know of both and of each other. An address cannot stand in for them. */
export async function startRedisWithSentinels(options: RedisSentinelOptions = {}): Promise<RedisWithSentinels> {
  const count = options.sentinels ?? 1;
  return buildInPlace(redisSpec, { count: 2 + count }, async (place) => {
    const primary = await startRedisIn(place, 0, { config: { 'repl-diskless-sync-delay': 0 } });
    const replica = await startRedisIn(place, 1, { config: { replicaof: `127.0.0.1 ${primary.port}` } });
    const quorum = Math.floor(count / 2) + 1;
    const sentinels = await Promise.all(
      Array.from({ length: count }, (_, index) =>
        startRedisIn(place, 2 + index, {
          sentinel: true,
          config: {
            sentinel: [
              `monitor ${NAME} 127.0.0.1 ${primary.port} ${quorum}`,
              `down-after-milliseconds ${NAME} ${options.downAfterMs ?? 1_000}`,
              `failover-timeout ${NAME} 5000`,
            ],
          },
        }),
      ),
    );
    for (const sentinel of sentinels) {
      await until(
        `the sentinel on port ${sentinel.port} knows the others`,
        async () => {
          const info = await askRedis(sentinel.port, 'INFO sentinel');
          return info.includes(`status=ok,address=127.0.0.1:${primary.port},slaves=1,sentinels=${count}`);
        },
        // Sentinels greet each other every two seconds and look for replicas every ten.
        { timeoutMs: 30_000, everyMs: 50 },
      );
    }
    return {
      primary,
      replica,
      sentinels,
      name: NAME,
      url: `redis+sentinel://${sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/${NAME}`,
      async primaryPort() {
        const running = sentinels.find(({ isRunning }) => isRunning);
        if (!running) throw new Error('no sentinel runs');
        const info = await askRedis(running.port, 'INFO sentinel');
        return Number(/^master0:.*address=127\.0\.0\.1:(\d+)/m.exec(info)?.[1]);
      },
      close: () => place.close(),
      [Symbol.asyncDispose]: () => place.close(),
    };
  });
}
