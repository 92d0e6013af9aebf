export { createMemoryBackend, type MemoryBackendOptions } from './memory-backend.js';
export { createMemoryStore, type MemoryStore, type MemoryStoreOptions } from './memory-store.js';
export { createMemoryLockManager, type MemoryLockManagerOptions } from './memory-lock-manager.js';
