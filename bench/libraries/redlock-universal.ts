import type { Redis } from 'ioredis';
import type { BenchLease, Library } from '../library.js';
import { connectRedis } from '../stores/redis.js';
import { floorTtlMs } from './bare-lock.js';
import { takeEachAtOnce } from './batch.js';
import { isInstalled, load } from './installed-apart.js';

interface Lock<Handle> {
  acquire(): Promise<Handle>;
  release(handle: Handle): Promise<unknown>;
}
interface Module {
  readonly IoredisAdapter: new (client: Redis) => object;
  readonly LockAcquisitionError: new (...args: readonly never[]) => Error;
  createLock(config: { adapter: object; key: string; ttl: number; retryAttempts?: number }): Lock<object>;
}

/** redlock-universal, which needs Node 22: it asks again three times, and its user after that. */
export const redlocksUniversal: readonly Library[] = isInstalled('redlock-universal')
  ? [
      {
        id: 'redlock-universal',
        title: 'redlock-universal 0.8',
        backend: 'redis',
        role: 'peer',
        scenarios: ['uncontended', 'in-flight-64', 'local-contention', 'handover-8-processes', 'waiters-1000', 'try-each-1000'],
        async open(address, { ttlMs = floorTtlMs } = {}) {
          const module = load('redlock-universal') as Module;
          const client = await connectRedis(address);
          const adapter = new module.IoredisAdapter(client);
          const lock = async (key: string, retries?: { readonly retryAttempts: number }): Promise<BenchLease | null> => {
            const one = module.createLock({ adapter, key, ttl: ttlMs, ...retries });
            try {
              const handle = await one.acquire();
              return { release: () => one.release(handle) };
            } catch (error) {
              if (error instanceof module.LockAcquisitionError) return null;
              throw error;
            }
          };
          return {
            async acquire(name) {
              let lease = await lock(name);
              while (lease === null) lease = await lock(name);
              return lease;
            },
            tryAcquireEach: (names) => takeEachAtOnce(names, (name) => lock(name, { retryAttempts: 0 })),
            close: async () => client.disconnect(),
          };
        },
      },
    ]
  : [];
