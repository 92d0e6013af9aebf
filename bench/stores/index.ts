import type { Backend, Register } from '../store.js';
import { openRedisRegister } from './redis.js';

export { startRedisStore } from './start-redis.js';

/** Opens the shared counter of a store from any process. */
export function openRegister(backend: Backend, address: string): Promise<Register> {
  switch (backend) {
    case 'redis':
      return openRedisRegister(address);
    default:
      return backend satisfies never;
  }
}
