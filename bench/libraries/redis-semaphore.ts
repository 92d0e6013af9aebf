import { Mutex, Semaphore, TimeoutError } from 'redis-semaphore';
import type { Library } from '../library.js';
import { connectRedis } from '../stores/redis.js';
import { takeEachAtOnce } from './batch.js';

/** redis-semaphore's Mutex, one object a hold: it asks again every 10 ms for 10 s, and renews at four fifths of its ttl. */
export const redisSemaphore: Library = {
  id: 'redis-semaphore',
  title: 'redis-semaphore 5.8',
  backend: 'redis',
  role: 'peer',
  scenarios: [
    'uncontended',
    'in-flight-64',
    'local-contention',
    'handover-8-processes',
    'waiters-1000',
    'renew-10000',
    'try-each-1000',
    'permits-in-use',
  ],
  async open(address, { ttlMs } = {}) {
    const client = await connectRedis(address);
    const options = ttlMs === undefined ? {} : { lockTimeout: ttlMs };
    return {
      acquire: (name) => persist(() => new Mutex(client, name, options)),
      acquirePermit: (name, permits) => persist(() => new Semaphore(client, name, permits, options)),
      tryAcquireEach: (names) =>
        takeEachAtOnce(names, async (name) => {
          const mutex = new Mutex(client, name, { ...options, acquireAttemptsLimit: 1 });
          return (await mutex.tryAcquire()) ? mutex : null;
        }),
      close: async () => client.disconnect(),
    };
  },
};

/** It gives up after ten seconds; who wants the lock asks again. */
async function persist<T extends { acquire(): Promise<void> }>(create: () => T): Promise<T> {
  for (;;) {
    const lock = create();
    try {
      await lock.acquire();
      return lock;
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error;
    }
  }
}
