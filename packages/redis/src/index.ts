export { createRedisLockManager, type RedisLockManagerOptions } from './create-redis-lock-manager.js';
export { openBackend } from './open-backend.js';
export { createRedisBackend } from './redis-backend.js';
export type { RedisClient } from './redis-client.js';
export type { RedisBackendOptions, ReplicaOptions } from './redis-options.js';
