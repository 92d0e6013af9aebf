import { type LockBackend, pickOptions, readOptions, rule } from '@holdfast/core';
import { createPostgresBackend } from './create-postgres-backend.js';
import { type PostgresBackendOptions, postgresBackendRules } from './postgres-options.js';

/** What a connection string may carry for the driver; `connect` takes a URL's query apart, and here it is put together again. */
const urlParameters = [
  'host',
  'port',
  'user',
  'sslmode',
  'sslrootcert',
  'sslcert',
  'sslkey',
  'uselibpqcompat',
  'application_name',
  'options',
] as const;

type UrlParameter = (typeof urlParameters)[number];

/** Options of `openBackend`: those of `createPostgresBackend` but `pool`, `sql`, `query` and `connectionString`, and the driver's in a URL. */
export type OpenBackendOptions = Omit<PostgresBackendOptions, 'pool' | 'sql' | 'query' | 'connectionString'> &
  Readonly<Partial<Record<UrlParameter, string | undefined>>>;

const { pool: _pool, sql: _sql, query: _query, connectionString: _connectionString, ...backendRules } = postgresBackendRules;
/** What each option of `openBackend` must be. */
export const openBackendRules = {
  ...backendRules,
  host: rule.string,
  port: rule.string,
  user: rule.string,
  sslmode: rule.string,
  sslrootcert: rule.string,
  sslcert: rule.string,
  sslkey: rule.string,
  uselibpqcompat: rule.string,
  application_name: rule.string,
  options: rule.string,
} satisfies Record<keyof OpenBackendOptions, unknown>;

/**
 * Opens a backend from a URL: what `connect` of the package `holdfast` calls for the schemes postgres and postgresql.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 */
export function openBackend(url: string, options: OpenBackendOptions = {}): LockBackend {
  const given = readOptions('openBackend', options, openBackendRules);
  const query = new URLSearchParams();
  for (const name of urlParameters) {
    const value = given[name];
    if (value !== undefined) query.set(name, value);
  }
  const separator = url.includes('?') ? '&' : '?';
  const connectionString = query.size === 0 ? url : `${url}${separator}${query.toString()}`;
  return createPostgresBackend({ ...pickOptions(given, backendRules), connectionString });
}
