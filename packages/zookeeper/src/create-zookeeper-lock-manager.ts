import { createLockManager, type LockManager, type ManagerOptions, managerOptionRules, readOptions } from '@holdfast/core';
import { createZooKeeperBackend } from './zookeeper-backend.js';
import { type ZooKeeperBackendOptions, zooKeeperBackendRules } from './zookeeper-options.js';

/** Options of `createZooKeeperLockManager`: those of the backend and of the manager, side by side. */
export type ZooKeeperLockManagerOptions = ZooKeeperBackendOptions & ManagerOptions;

const rules = { ...managerOptionRules, ...zooKeeperBackendRules };

/**
 * A lock manager on a ZooKeeper ensemble. Synchronous: first contact is the first call.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a wrong, missing or unknown option
 *
 * @example
 * ```ts
 * import { createZooKeeperLockManager } from 'holdfast/zookeeper';
 *
 * const locks = createZooKeeperLockManager({ connectionString: 'zk1:2181,zk2:2181,zk3:2181' });
 * await locks.withLock('invoice:42', ({ fencingToken }) => console.log(fencingToken));
 * await locks.close();
 * ```
 */
export function createZooKeeperLockManager(options: ZooKeeperLockManagerOptions): LockManager<bigint> {
  const given = readOptions('createZooKeeperLockManager', options, rules);
  const { connectionString, sessionTimeoutMs, root, auth, acl, clock, ...managerOptions } = given;
  const backend = createZooKeeperBackend({ connectionString, sessionTimeoutMs, root, auth, acl, clock });
  return createLockManager(backend, { clock, ...managerOptions });
}
