import type { Backend, Register, Store } from '../store.js';
import { openPostgresRegister, startPostgresStore } from './postgres.js';
import { openRedisRegister } from './redis.js';
import { openRedlockRegister, startRedlockStore } from './redlock.js';
import { startRedisStore } from './start-redis.js';
import { openZooKeeperRegister, startZooKeeperStore } from './zookeeper.js';

/** The store of that kind that the environment names; else one that is started for this run and ends with it. */
export function startStore(backend: Backend): Promise<Store> {
  switch (backend) {
    case 'redis':
      return startRedisStore();
    case 'redlock':
      return startRedlockStore();
    case 'postgres':
      return startPostgresStore();
    case 'zookeeper':
      return startZooKeeperStore();
    default:
      return backend satisfies never;
  }
}

/** Opens the shared counter of a store from any process. */
export function openRegister(backend: Backend, address: string): Promise<Register> {
  switch (backend) {
    case 'redis':
      return openRedisRegister(address);
    case 'redlock':
      return openRedlockRegister(address);
    case 'postgres':
      return openPostgresRegister(address);
    case 'zookeeper':
      return openZooKeeperRegister(address);
    default:
      return backend satisfies never;
  }
}
