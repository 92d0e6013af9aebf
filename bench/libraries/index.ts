import type { Library, ScenarioId } from '../library.js';
import type { Backend } from '../store.js';
import { advisoryLocks } from './advisory-lock.js';
import { curators } from './curator.js';
import { floorPostgres } from './floor-postgres.js';
import { floorRedis, floorRedisQueued, floorRedisToken } from './floor-redis.js';
import { floorRedlock } from './floor-redlock.js';
import { floorZooKeeper } from './floor-zookeeper.js';
import { holdfastPostgres, holdfastPostgresTable } from './holdfast-postgres.js';
import { holdfastRedis, holdfastRedisFair } from './holdfast-redis.js';
import { holdfastRedisDrivers } from './holdfast-redis-drivers.js';
import { holdfastRedlock } from './holdfast-redlock.js';
import { holdfastZooKeeper } from './holdfast-zookeeper.js';
import { redisSemaphore } from './redis-semaphore.js';
import { redlock, redlockOnThree } from './redlock.js';
import { redlocks5 } from './redlock-5.js';
import { redlocksUniversal } from './redlock-universal.js';
import { verrou } from './verrou.js';

/**
 * Everything that is measured; a new library is one file and one line here. What `pnpm bench:peers` installs is missing until that has run: its adapters
 * are lists, which are empty then.
 */
export const libraries: readonly Library[] = [
  floorRedis,
  floorRedisQueued,
  floorRedisToken,
  holdfastRedis,
  holdfastRedisFair,
  ...holdfastRedisDrivers,
  redlock,
  redisSemaphore,
  verrou,
  ...redlocks5,
  ...redlocksUniversal,
  floorRedlock,
  holdfastRedlock,
  redlockOnThree,
  floorPostgres,
  holdfastPostgres,
  holdfastPostgresTable,
  ...advisoryLocks,
  floorZooKeeper,
  holdfastZooKeeper,
  ...curators,
];

/** The library of that id that takes part in a scenario: how a worker process finds it. */
export function libraryFor(backend: Backend, scenario: ScenarioId, id: string): Library {
  const library = libraries.find(
    (candidate) => candidate.backend === backend && candidate.id === id && candidate.scenarios.includes(scenario),
  );
  if (library === undefined) throw new Error(`no library ${id} on ${backend} takes part in ${scenario}`);
  return library;
}
