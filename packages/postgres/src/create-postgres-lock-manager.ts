import { createLockManager, type LockManager, type ManagerOptions, managerOptionRules, pickOptions, readOptions } from '@holdfast/core';
import { createPostgresBackend } from './create-postgres-backend.js';
import { type PostgresBackendOptions, postgresBackendRules } from './postgres-options.js';

/** Options of the backend and of the manager, side by side. */
export type PostgresLockManagerOptions = PostgresBackendOptions & ManagerOptions;

const rules = { ...managerOptionRules, ...postgresBackendRules };

/**
 * A lock manager on one PostgreSQL. Synchronous: first contact is the first call.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a wrong, missing or unknown option
 *
 * @example
 * ```ts
 * import { createPostgresLockManager } from 'holdfast/postgres';
 *
 * const locks = createPostgresLockManager({ connectionString: 'postgres://localhost:5432/shop', strategy: 'table' });
 * await locks.withLock('invoice:42', ({ fencingToken }) => console.log(fencingToken));
 * await locks.close();
 * ```
 */
export function createPostgresLockManager(
  options: PostgresLockManagerOptions & { readonly shedLockTable?: undefined },
): LockManager<bigint>;
export function createPostgresLockManager(options: PostgresLockManagerOptions): LockManager;
export function createPostgresLockManager(options: PostgresLockManagerOptions): LockManager {
  const given = readOptions('createPostgresLockManager', options, rules);
  return createLockManager(createPostgresBackend(pickOptions(given, postgresBackendRules)), pickOptions(given, managerOptionRules));
}
