import { createPostgresLockManager } from '@holdfast/postgres';
import type { Library } from '../library.js';
import { ours } from './ours.js';

/** Session advisory locks, the default. */
export const holdfastPostgres: Library = ours('postgres', { title: 'holdfast, advisory locks' }, (connectionString, ttlMs) =>
  createPostgresLockManager({ connectionString, ttlMs }),
);

/** Table leases, which pass a pooler. */
export const holdfastPostgresTable: Library = ours(
  'postgres',
  { id: 'holdfast-table', title: 'holdfast, table leases' },
  (connectionString, ttlMs) => createPostgresLockManager({ connectionString, strategy: 'table', ttlMs }),
);
