import { createLockManager, type LockManager, type ManagerOptions } from '@holdfast/core';
import { createPostgresBackend, type PostgresBackendOptions } from '@holdfast/postgres';

/** One more client, in a process that the conformance suite starts. */
export function openClient(options: PostgresBackendOptions, managerOptions: ManagerOptions): LockManager {
  return createLockManager(createPostgresBackend(options), managerOptions);
}
