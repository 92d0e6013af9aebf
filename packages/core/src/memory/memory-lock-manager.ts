import { createLockManager, type LockManager, type ManagerOptions, managerOptionRules, readOptions } from '../index.js';
import { createMemoryBackend, type MemoryBackendOptions, memoryBackendRules } from './memory-backend.js';
import { createMemoryStore } from './memory-store.js';

/** Options of `createMemoryLockManager`: those of the backend and of the manager, side by side. */
export type MemoryLockManagerOptions = ManagerOptions & MemoryBackendOptions;

const rules = { ...managerOptionRules, ...memoryBackendRules };

/**
 * A lock manager for the tasks of this process, or of this worker thread. Without `store` it has one of its own, which goes by the manager's
 * `clock`.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 *
 * @example
 * ```ts
 * import { createMemoryLockManager } from 'holdfast/memory';
 *
 * const locks = createMemoryLockManager({ ttlMs: 10_000 });
 * await locks.withLock('invoice:42', ({ fencingToken }) => console.log(fencingToken));
 * await locks.close();
 * ```
 */
export function createMemoryLockManager(options: MemoryLockManagerOptions = {}): LockManager<bigint> {
  const { store, fair, ...managerOptions } = readOptions('createMemoryLockManager', options, rules);
  const backend = createMemoryBackend({ store: store ?? createMemoryStore({ clock: managerOptions.clock }), fair });
  return createLockManager(backend, managerOptions);
}
