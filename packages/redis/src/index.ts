export { createRedisLockManager, type RedisLockManagerOptions } from './create-redis-lock-manager.js';
export { openBackend } from './open-backend.js';
export { createRedisBackend } from './redis-backend.js';
export type { IoredisClient } from './ioredis/ioredis-client.js';
export type { NodeRedisClient, NodeRedisCluster, NodeRedisSentinel } from './node-redis/node-redis-client.js';
export type { RedisDriver } from './open-driver.js';
export type { RedisClient } from './port-of.js';
export type { RedisAddress, RedisPort, RedisScript } from './redis-port.js';
export type { RedisBackendOptions, ReplicaOptions } from './redis-options.js';
