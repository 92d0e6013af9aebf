import { createLockManager, type LockManager, type ManagerOptions } from '@holdfast/core';
import { EtcdBackend, type EtcdBackendOptions } from './etcd-backend.js';

/** One more client of the cluster: for the conformance suite, which starts processes of its own. */
export function openClient(backend: EtcdBackendOptions, options: ManagerOptions): LockManager {
  return createLockManager(new EtcdBackend(backend), options);
}
