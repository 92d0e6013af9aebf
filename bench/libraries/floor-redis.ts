import { setImmediate } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import type { BenchClient, BenchLease, Library } from '../library.js';
import { connectRedis } from '../stores/redis.js';
import { BareLock } from './bare-lock.js';

const floor = { id: 'floor', backend: 'redis', role: 'floor' } as const;

/** What no lock on Redis can be faster than, where nobody waits. */
export const floorRedis: Library = {
  ...floor,
  title: 'floor: SET NX PX, compare and delete',
  scenarios: ['uncontended', 'in-flight-64', 'try-each-1000'],
  async open(address) {
    const client = await connectRedis(address);
    const lock = await BareLock.on(client);
    return {
      acquire: (name) => take(lock, name),
      async tryAcquireEach(names) {
        const tokens = await lock.takeEach(names);
        return { granted: [...tokens.keys()], releaseAll: () => lock.freeEach(tokens) };
      },
      close: async () => client.disconnect(),
    };
  },
};

/** Where the tasks of one process wait: a chain in memory before the same commands. */
export const floorRedisQueued: Library = {
  ...floor,
  title: 'floor: the same behind a queue in memory',
  scenarios: ['local-contention'],
  async open(address) {
    const client = await connectRedis(address);
    const lock = await BareLock.on(client);
    const tails = new Map<string, Promise<void>>();
    return {
      async acquire(name) {
        const before = tails.get(name);
        let leave = (): void => undefined;
        const left = new Promise<void>((resolve) => {
          leave = resolve;
        });
        tails.set(name, left);
        await before;
        const lease = await take(lock, name);
        return {
          async release() {
            const freed = await lease.release();
            if (tails.get(name) === left) tails.delete(name);
            leave();
            return freed;
          },
        };
      },
      close: async () => client.disconnect(),
    };
  },
};

/**
 * Where processes wait: a token in a list, which BLPOP hands over in the order of asking. No lock, for it is lost with
 * its holder; but nothing on Redis hands over faster.
 */
export const floorRedisToken: Library = {
  ...floor,
  title: 'floor: RPUSH to BLPOP',
  scenarios: ['handover-8-processes'],
  async open(address) {
    const client = await connectRedis(address);
    const waiting = await connectRedis(address);
    const known = new Set<string>();
    return {
      async acquire(name) {
        if (!known.has(name)) {
          known.add(name);
          if ((await client.set(`${name}:made`, 1, 'PX', tokenTtlMs, 'NX')) === 'OK') await putToken(client, name);
        }
        await waiting.blpop(name, 0);
        return { release: () => putToken(client, name) };
      },
      async close() {
        client.disconnect();
        waiting.disconnect();
      },
    } satisfies BenchClient;
  },
};

const tokenTtlMs = 60_000;

async function putToken(client: Redis, name: string): Promise<void> {
  await client.pipeline().rpush(name, 1).pexpire(name, tokenTtlMs).exec();
}

/** Nobody waits in these scenarios but in the proof of exclusion, where asking again at once is good enough. */
async function take(lock: BareLock, name: string): Promise<BenchLease> {
  let token = await lock.take(name);
  while (token === null) {
    await setImmediate();
    token = await lock.take(name);
  }
  const owner = token;
  return { release: () => lock.free(name, owner) };
}
