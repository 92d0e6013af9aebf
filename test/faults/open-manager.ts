import { type Clock, type LockManager, type ManagerOptions, systemClock } from '@holdfast/core';
import { createPostgresLockManager } from '@holdfast/postgres';
import { createRedisLockManager } from '@holdfast/redis';
import { createRedlockLockManager } from '@holdfast/redlock';
import { createZooKeeperLockManager } from '@holdfast/zookeeper';

/** How a process reaches a store. */
export type StoreSettings =
  | { readonly kind: 'redis'; readonly url: string; readonly fair: boolean }
  | { readonly kind: 'redlock'; readonly urls: readonly string[]; readonly maxTtlMs: number }
  | { readonly kind: 'postgres'; readonly url: string; readonly strategy: 'advisory' | 'table'; readonly pooler: 'none' | 'session' }
  | { readonly kind: 'zookeeper'; readonly url: string };

/** Short enough that a fault of some seconds outlasts a lease, long enough that a busy machine does not. */
export const TTL_MS = 3_000;
const OPTIONS: ManagerOptions = { ttlMs: TTL_MS, waitMs: 5_000, commandTimeoutMs: 1_000, unavailableAfterMs: 2_500 };

/** A manager on a store. @param clock the process's clock */
export function openManager(store: StoreSettings, clock: Clock): LockManager<bigint> {
  const options = { ...OPTIONS, clock };
  switch (store.kind) {
    case 'redis':
      return createRedisLockManager({ ...options, url: store.url, fair: store.fair });
    case 'redlock':
      return createRedlockLockManager({ ...options, urls: [...store.urls], maxTtlMs: store.maxTtlMs });
    case 'postgres':
      return createPostgresLockManager({
        ...options,
        connectionString: store.url,
        strategy: store.strategy,
        ...(store.strategy === 'advisory' ? { pooler: store.pooler, sessionMs: TTL_MS } : {}),
      });
    case 'zookeeper':
      return createZooKeeperLockManager({ ...options, connectionString: store.url, sessionTimeoutMs: 1.5 * TTL_MS });
    default:
      return store satisfies never;
  }
}

/** The system's clock, whose wall clock somebody sets. */
export class SetClock implements Clock {
  /** By how much the wall clock is ahead. */
  offsetMs = 0;

  now(): number {
    return systemClock.now();
  }

  wall(): number {
    return systemClock.wall() + this.offsetMs;
  }

  setTimer(delayMs: number, fire: () => void): ReturnType<Clock['setTimer']> {
    return systemClock.setTimer(delayMs, fire);
  }

  random(): number {
    return systemClock.random();
  }
}
