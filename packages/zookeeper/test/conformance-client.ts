import { createLockManager, type LockManager, type ManagerOptions } from '@holdfast/core';
import { createZooKeeperBackend, type ZooKeeperBackendOptions } from '@holdfast/zookeeper';

/** One more client, in a process that the conformance suite starts. */
export function openClient(options: ZooKeeperBackendOptions, managerOptions: ManagerOptions): LockManager {
  return createLockManager(createZooKeeperBackend(options), managerOptions);
}
