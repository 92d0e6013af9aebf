import { createRedisLockManager } from '@holdfast/redis';
import type { Library, ScenarioId } from '../library.js';
import { connectRedis } from '../stores/redis.js';
import { takeOneByOne } from './batch.js';

/** Ours, with its defaults. */
export const holdfastRedis: Library = holdfast('holdfast', 'holdfast', false, [
  'uncontended',
  'in-flight-64',
  'local-contention',
  'handover-8-processes',
  'waiters-1000',
  'renew-10000',
  'try-each-1000',
  'permits-in-use',
]);

/** Ours with all who wait in one queue on the server. */
export const holdfastRedisFair: Library = holdfast('holdfast-fair', 'holdfast, fair', true, [
  'handover-8-processes',
  'waiters-1000',
  'permits-in-use',
]);

function holdfast(id: string, title: string, fair: boolean, scenarios: readonly ScenarioId[]): Library {
  return {
    id,
    title,
    backend: 'redis',
    role: 'ours',
    fair,
    scenarios,
    async open(address, { ttlMs } = {}) {
      const client = await connectRedis(address);
      const locks = createRedisLockManager({ client, fair, ttlMs });
      return {
        acquire: (name) => locks.acquire(name),
        acquirePermit: (name, permits) => locks.semaphore(name, { permits }).acquire(),
        async tryAcquireEach(names) {
          const leases = await locks.tryAcquireEach(names);
          return { granted: [...leases.keys()], releaseAll: () => leases.releaseAll() };
        },
        tryAcquireOneByOne: (names) => takeOneByOne(names, (name) => locks.tryAcquire(name)),
        async close() {
          await locks.close();
          client.disconnect();
        },
      };
    },
  };
}
