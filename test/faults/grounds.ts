import type { OpenGround } from './fault.js';
import { postgresAdvisory, postgresClock, postgresPgBouncer, postgresStandby, postgresTable } from './postgres-grounds.js';
import { redis, redisClock, redisCluster, redisSentinel, redisEmptied, redisWithoutData, redlock } from './redis-grounds.js';
import { zooKeeper, zooKeeperEnsemble } from './zookeeper-grounds.js';

/** Every store that can be disturbed, by the name that `pnpm soak --backend` takes. */
export const grounds = {
  redis: redis(false),
  'redis-fair': redis(true),
  'redis-without-data': redisWithoutData,
  'redis-sentinel': redisSentinel,
  'redis-cluster': redisCluster,
  'redis-clock': redisClock,
  redlock,
  'postgres-advisory': postgresAdvisory,
  'postgres-pgbouncer': postgresPgBouncer,
  'postgres-table': postgresTable,
  'postgres-advisory-standby': postgresStandby('advisory'),
  'postgres-table-standby': postgresStandby('table'),
  'postgres-table-clock': postgresClock,
  zookeeper: zooKeeper,
  'zookeeper-ensemble': zooKeeperEnsemble,
  'redis-emptied': redisEmptied,
} as const satisfies Readonly<Record<string, OpenGround>>;

export type GroundName = keyof typeof grounds;

/** Stores that break what locks promise, and do not say so: a run on one of them must find it. */
export const brokenGrounds: readonly GroundName[] = ['redis-emptied'];

export function isGroundName(name: string): name is GroundName {
  return Object.hasOwn(grounds, name);
}
