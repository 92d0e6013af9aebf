import type { LockBackend } from '@holdfast/core';
import type { SimulatedClient, SimulatedStore, StoreKind, StoreSetup } from '@holdfast/test/simulator';
import { type ClientSource, clientSource } from '../../src/client-source.js';
import { refuseEviction } from '../../src/eviction-policy.js';
import { IoredisPort } from '../../src/ioredis/ioredis-port.js';
import { OwnedLink } from '../../src/link.js';
import { RedisBackend } from '../../src/redis-backend.js';
import { resolveRedisOptions } from '../../src/redis-options.js';
import { type RedisMutant, redisMutants } from './mutants.js';
import { RedisServer } from './redis-server.js';
import { SimulatedDriver } from './simulated-driver.js';

/** The real backend over the model of its scripts. */
class RedisStore extends RedisServer implements SimulatedStore {
  readonly #setup: StoreSetup<RedisMutant>;

  constructor(setup: StoreSetup<RedisMutant>) {
    super(setup);
    this.#setup = setup;
  }

  connect(client: SimulatedClient): LockBackend<bigint> {
    this.joined(client);
    const { clock } = client.machine;
    const { isFair, weather } = this.#setup.scenario;
    // A user's client, which sends again, or connections of our own.
    const isBorrowed = weather.duplicates > 0;
    const driver = new SimulatedDriver(this, client, isBorrowed);
    const options = resolveRedisOptions('the simulator', { client: driver, fair: isFair });
    if (isBorrowed) return new RedisBackend(options, clientSource(options, clock), clock);
    let isFirst = true;
    const source: ClientSource = {
      driver: null,
      isCluster: false,
      keyPrefix: '',
      link: new OwnedLink({
        clock,
        make: () => {
          const made = isFirst ? driver : driver.duplicate();
          isFirst = false;
          return new IoredisPort(made, true);
        },
        prepare: ({ port }) => refuseEviction(port),
      }),
      another: () => new IoredisPort(driver.duplicate(), true),
    };
    return new RedisBackend(options, source, clock);
  }
}

export const redisKind: StoreKind<RedisMutant> = {
  name: 'redis',
  traits: { expires: true, fair: 'either', duplicates: true, serverJumps: [-900, -200] },
  mutants: redisMutants,
  open: (setup) => new RedisStore(setup),
};
