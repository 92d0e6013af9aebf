import { createLockManager, type LockManager, type ManagerOptions } from '@holdfast/core';
import { createRedlockBackend, type RedlockBackendOptions } from '@holdfast/redlock';

/** One more client, in a process that the conformance suite starts. */
export function openClient(options: RedlockBackendOptions, managerOptions: ManagerOptions): LockManager {
  return createLockManager(createRedlockBackend(options), managerOptions);
}
