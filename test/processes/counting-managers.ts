import type { LockManager } from '@holdfast/core';
import { createPostgresLockManager } from '@holdfast/postgres';
import { createRedisLockManager } from '@holdfast/redis';
import { createRedlockLockManager } from '@holdfast/redlock';
import { createZooKeeperLockManager } from '@holdfast/zookeeper';

/** Where the servers are. */
export interface Servers {
  readonly redis: string;
  readonly nodes: readonly string[];
  readonly postgres: string;
  readonly zooKeeper: string;
}

/** Of ZooKeeper: for so long its servers keep what a process has left that is gone. */
export const SESSION_MS = 2_000;

/** A manager on each store that counts those who wait. */
export function countingManagers({ redis, nodes, postgres, zooKeeper }: Servers) {
  return {
    redis: createRedisLockManager({ url: redis }),
    fairRedis: createRedisLockManager({ url: redis, fair: true, prefix: 'fair:' }),
    redlock: createRedlockLockManager({ urls: nodes }),
    table: createPostgresLockManager({ connectionString: postgres, strategy: 'table' }),
    advisory: createPostgresLockManager({ connectionString: postgres }),
    zooKeeper: createZooKeeperLockManager({ connectionString: zooKeeper, sessionTimeoutMs: SESSION_MS }),
  } satisfies Readonly<Record<string, LockManager>>;
}

/** One of them. */
export type Store = keyof ReturnType<typeof countingManagers>;
