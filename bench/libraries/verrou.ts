import { Verrou } from '@verrou/core';
import { redisStore } from '@verrou/core/drivers/redis';
import type { Library } from '../library.js';
import { connectRedis } from '../stores/redis.js';
import { takeEachAtOnce } from './batch.js';

/** @verrou/core: it asks again every 250 ms without end. */
export const verrou: Library = {
  id: 'verrou',
  title: '@verrou/core 0.5',
  backend: 'redis',
  role: 'peer',
  scenarios: ['uncontended', 'in-flight-64', 'local-contention', 'handover-8-processes', 'waiters-1000', 'try-each-1000'],
  async open(address, { ttlMs } = {}) {
    const client = await connectRedis(address);
    const locks = new Verrou({ default: 'redis', stores: { redis: { driver: redisStore({ connection: client }) } } });
    return {
      async acquire(name) {
        const lock = locks.createLock(name, ttlMs);
        while (!(await lock.acquire()));
        return lock;
      },
      tryAcquireEach: (names) =>
        takeEachAtOnce(names, async (name) => {
          const lock = locks.createLock(name, ttlMs);
          return (await lock.acquireImmediately()) ? lock : null;
        }),
      close: async () => client.disconnect(),
    };
  },
};
