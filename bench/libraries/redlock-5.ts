import type { Redis } from 'ioredis';
import type { BenchLease, Library } from '../library.js';
import type { Backend } from '../store.js';
import { connectRedis } from '../stores/redis.js';
import { nodesOf } from '../stores/redlock.js';
import { floorTtlMs } from './bare-lock.js';
import { takeEachAtOnce } from './batch.js';
import { isInstalled, load } from './installed-apart.js';

/** What redlock 5 and its fork export. */
interface Redlock5 {
  acquire(names: readonly string[], ttlMs: number, settings?: { readonly retryCount: number }): Promise<{ release(): Promise<unknown> }>;
}
interface Module {
  readonly default?: Constructor;
  readonly Redlock?: Constructor;
  readonly ExecutionError: new (...args: readonly never[]) => Error;
}
type Constructor = new (clients: readonly Redis[]) => Redlock5;

const packages = [
  { name: 'redlock', id: 'redlock-5', title: 'redlock 5.0.0-beta.2' },
  { name: '@sesamecare-oss/redlock', id: 'redlock-sesamecare', title: '@sesamecare-oss/redlock 1.4' },
] as const;

/** Both on one node, and on several: they ask again every 200 ms, eleven times. */
export const redlocks5: readonly Library[] = packages
  .filter(({ name }) => isInstalled(name))
  .flatMap((known) => [
    library(known, 'redis', (address) => [address], ['waiters-1000', 'try-each-1000']),
    library(known, 'redlock', nodesOf, []),
  ]);

function library(
  { name, id, title }: (typeof packages)[number],
  backend: Backend,
  addressesOf: (address: string) => readonly string[],
  more: Library['scenarios'],
): Library {
  return {
    id,
    title,
    backend,
    role: 'peer',
    scenarios: ['uncontended', 'in-flight-64', 'local-contention', 'handover-8-processes', ...more],
    async open(address, { ttlMs = floorTtlMs } = {}) {
      const module = load(name) as Module;
      const Redlock = module.Redlock ?? module.default;
      if (Redlock === undefined) throw new Error(`${name} exports no Redlock`);
      const clients = await Promise.all(addressesOf(address).map(connectRedis));
      const redlock = new Redlock(clients);
      const lock = async (of: string, retries?: { readonly retryCount: number }): Promise<BenchLease | null> => {
        try {
          return await redlock.acquire([of], ttlMs, retries);
        } catch (error) {
          if (error instanceof module.ExecutionError) return null;
          throw error;
        }
      };
      return {
        async acquire(of) {
          let lease = await lock(of);
          while (lease === null) lease = await lock(of);
          return lease;
        },
        tryAcquireEach: (names) => takeEachAtOnce(names, (of) => lock(of, { retryCount: 0 })),
        close: async () => {
          for (const client of clients) client.disconnect();
        },
      };
    },
  };
}
