import { setImmediate } from 'node:timers/promises';
import type { Library } from '../library.js';
import { connectRedis } from '../stores/redis.js';
import { nodesOf } from '../stores/redlock.js';
import { BareLock } from './bare-lock.js';

/** What no lock on several nodes can be faster than: the floor of one node on all of them at a time, and no fencing token. */
export const floorRedlock: Library = {
  id: 'floor',
  title: 'floor: SET NX PX, compare and delete, on each node',
  backend: 'redlock',
  role: 'floor',
  scenarios: ['uncontended', 'in-flight-64'],
  async open(address) {
    const clients = await Promise.all(nodesOf(address).map(connectRedis));
    const locks = await Promise.all(clients.map((client) => BareLock.on(client)));
    const freeAll = (name: string, tokens: readonly (string | null)[]): Promise<unknown> =>
      Promise.all(locks.map((lock, index) => lock.free(name, tokens[index] ?? '')));
    return {
      async acquire(name) {
        for (;;) {
          const tokens = await Promise.all(locks.map((lock) => lock.take(name)));
          if (tokens.filter((token) => token !== null).length > locks.length / 2) return { release: () => freeAll(name, tokens) };
          await freeAll(name, tokens);
          await setImmediate();
        }
      },
      close: async () => {
        for (const client of clients) client.disconnect();
      },
    };
  },
};
