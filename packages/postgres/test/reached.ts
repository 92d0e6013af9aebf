import type { PostgresBackendOptions } from '@holdfast/postgres';
import type { Pool } from 'pg';

type Way = 'pool' | 'sql' | 'query' | 'connectionString' | 'driverOptions';

/** How leases are kept, whatever reaches the server. */
export type Settings = Omit<PostgresBackendOptions, Way>;

/** The same, and what reaches the server, where it is not what the test reaches it by. */
export interface ReachedOptions extends Omit<Settings, 'shedLockTable'> {
  readonly pool?: Pool | undefined;
  readonly connectionString?: string | undefined;
  readonly driverOptions?: Readonly<Record<string, unknown>> | undefined;
}

/** Options of a backend on the server at `url`, if nothing else reaches it. */
export function reached(url: string, options: ReachedOptions = {}): PostgresBackendOptions & { readonly shedLockTable?: undefined } {
  const { pool, connectionString = url, driverOptions, ...settings } = options;
  return pool === undefined ? { connectionString, driverOptions, ...settings } : { pool, ...settings };
}
