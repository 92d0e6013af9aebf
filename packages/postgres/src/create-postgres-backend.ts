import { type Clock, type LockBackend, systemClock } from '@holdfast/core';
import { AdvisoryBackend } from './advisory/advisory-backend.js';
import { type ConnectionSource, OwnSource, PoolSource } from './connection-source.js';
import { type PostgresBackendOptions, type ResolvedPostgresOptions, resolvePostgresOptions } from './postgres-options.js';
import { SqlSource } from './postgres-js/sql-source.js';
import { QuerySource } from './query-source.js';
import { TableBackend } from './table/table-backend.js';

/** With a table of ShedLock's there are no fencing tokens, so its type must not promise them. */
type FencedOptions = PostgresBackendOptions & { readonly shedLockTable?: undefined };

/**
 * Locks on one PostgreSQL. Makes no contact before the first call.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 *
 * @example
 * ```ts
 * import { createLockManager } from 'holdfast';
 * import { createPostgresBackend } from 'holdfast/postgres';
 *
 * const locks = createLockManager(createPostgresBackend({ connectionString: 'postgres://localhost:5432/shop' }), { waitMs: 2_000 });
 * await locks.close();
 * ```
 */
export function createPostgresBackend(options: FencedOptions): LockBackend<bigint>;
export function createPostgresBackend(options: PostgresBackendOptions): LockBackend;
export function createPostgresBackend(options: PostgresBackendOptions): LockBackend {
  return backendOf(resolvePostgresOptions('createPostgresBackend', options), systemClock);
}

/** The same on a clock of the caller's. */
export function backendOf(resolved: ResolvedPostgresOptions, clock: Clock): LockBackend {
  const source = sourceOf(resolved, clock);
  return resolved.strategy === 'table' ? new TableBackend(resolved, source) : new AdvisoryBackend(resolved, source);
}

function sourceOf({ pool, sql, query, connectionString, driverOptions }: ResolvedPostgresOptions, clock: Clock): ConnectionSource {
  if (sql !== null) return new SqlSource(sql, clock);
  if (query !== null) return new QuerySource(query, clock);
  return pool === null ? new OwnSource(connectionString ?? '', driverOptions, clock) : new PoolSource(pool, clock);
}
