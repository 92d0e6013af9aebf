import { createLockManager, type LockManager, type ManagerOptions, rule, checkValue } from '../index.js';
import { createMemoryBackend, type MemoryBackendOptions } from './memory-backend.js';
import { createMemoryStore } from './memory-store.js';

/** Options of `createMemoryLockManager`: those of the backend and of the manager, side by side. */
export type MemoryLockManagerOptions = ManagerOptions & MemoryBackendOptions;

/**
 * A lock manager for the tasks of this process. Without `store` it has one of its own, which goes by the manager's
 * `clock`.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 */
export function createMemoryLockManager(options: MemoryLockManagerOptions = {}): LockManager<bigint> {
  checkValue('createMemoryLockManager', 'options', options, rule.object);
  const { store, fair, ...managerOptions } = options;
  const backend = createMemoryBackend({ store: store ?? createMemoryStore({ clock: options.clock }), fair });
  return createLockManager(backend, managerOptions);
}
