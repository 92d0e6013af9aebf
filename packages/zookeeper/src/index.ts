export { createZooKeeperLockManager, type ZooKeeperLockManagerOptions } from './create-zookeeper-lock-manager.js';
export { openBackend } from './open-backend.js';
export { createZooKeeperBackend } from './zookeeper-backend.js';
export type { ZooKeeperAclEntry, ZooKeeperAuth, ZooKeeperBackendOptions } from './zookeeper-options.js';
