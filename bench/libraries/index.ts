import type { Library, ScenarioId } from '../library.js';
import { floorRedis, floorRedisQueued, floorRedisToken } from './floor-redis.js';
import { holdfastRedis, holdfastRedisFair } from './holdfast-redis.js';
import { redisSemaphore } from './redis-semaphore.js';
import { redlock } from './redlock.js';
import { verrou } from './verrou.js';

/** Everything that is measured; a new library is one file and one line here. */
export const libraries: readonly Library[] = [
  floorRedis,
  floorRedisQueued,
  floorRedisToken,
  holdfastRedis,
  holdfastRedisFair,
  redlock,
  redisSemaphore,
  verrou,
];

/** The library of that id that takes part in a scenario: how a worker process finds it. */
export function libraryFor(scenario: ScenarioId, id: string): Library {
  const library = libraries.find((candidate) => candidate.id === id && candidate.scenarios.includes(scenario));
  if (library === undefined) throw new Error(`no library ${id} takes part in ${scenario}`);
  return library;
}
