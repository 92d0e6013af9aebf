import Redlock from 'redlock';
import type { BenchLease, Library } from '../library.js';
import type { Backend } from '../store.js';
import { connectRedis } from '../stores/redis.js';
import { nodesOf } from '../stores/redlock.js';
import { floorTtlMs } from './bare-lock.js';
import { takeEachAtOnce } from './batch.js';

/** redlock 4.2 on one node: it asks again every 200 ms, eleven times. */
export const redlock: Library = {
  ...library('redis', (address) => [address]),
  scenarios: ['uncontended', 'in-flight-64', 'local-contention', 'handover-8-processes', 'waiters-1000', 'try-each-1000'],
};

/** The same as it is meant: on several nodes. */
export const redlockOnThree: Library = library('redlock', nodesOf);

function library(backend: Backend, addressesOf: (address: string) => readonly string[]): Library {
  return {
    id: 'redlock',
    title: 'redlock 4.2',
    backend,
    role: 'peer',
    scenarios: ['uncontended', 'in-flight-64', 'local-contention', 'handover-8-processes'],
    async open(address, { ttlMs = floorTtlMs } = {}) {
      const clients = await Promise.all(addressesOf(address).map(connectRedis));
      const waiting = new Redlock(clients);
      const trying = new Redlock(clients, { retryCount: 0 });
      const lock = async (redlock: Redlock, name: string): Promise<BenchLease | null> => {
        try {
          const held = await redlock.lock(name, ttlMs);
          return { release: () => held.unlock() };
        } catch (error) {
          if (error instanceof Redlock.LockError) return null;
          throw error;
        }
      };
      return {
        async acquire(name) {
          let lease = await lock(waiting, name);
          while (lease === null) lease = await lock(waiting, name);
          return lease;
        },
        tryAcquireEach: (names) => takeEachAtOnce(names, (name) => lock(trying, name)),
        close: async () => {
          for (const client of clients) client.disconnect();
        },
      };
    },
  };
}
