import { checkOptions, createLockManager, type LockManager, type ManagerOptions, managerOptionRules } from '../index.js';
import { createMemoryBackend, type MemoryBackendOptions, memoryBackendRules } from './memory-backend.js';
import { createMemoryStore } from './memory-store.js';

/** Options of `createMemoryLockManager`: those of the backend and of the manager, side by side. */
export type MemoryLockManagerOptions = ManagerOptions & MemoryBackendOptions;

const rules = { ...managerOptionRules, ...memoryBackendRules };

/**
 * A lock manager for the tasks of this process. Without `store` it has one of its own, which goes by the manager's
 * `clock`.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 */
export function createMemoryLockManager(options: MemoryLockManagerOptions = {}): LockManager<bigint> {
  checkOptions('createMemoryLockManager', options, rules);
  const { store, fair, ...managerOptions } = options;
  const backend = createMemoryBackend({ store: store ?? createMemoryStore({ clock: options.clock }), fair });
  return createLockManager(backend, managerOptions);
}
