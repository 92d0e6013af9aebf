import { createPostgresBackend } from '@holdfast/postgres';
import { type StoreFixture, useStore } from '@holdfast/test/fixture';
import { type PostgresServer, startPostgres } from '@holdfast/test/servers';
import pg from 'pg';
import { type ReachedOptions, reached } from './reached.js';

export type PostgresFixture = StoreFixture<PostgresServer, pg.Pool, ReachedOptions>;

export function usePostgres(config?: Readonly<Record<string, string | number>>): PostgresFixture {
  return useStore({
    start: () => startPostgres(config === undefined ? {} : { config }),
    connect: ({ url }) => {
      const admin = new pg.Pool({ connectionString: url, max: 3 });
      admin.on('error', () => {});
      return admin;
    },
    disconnect: (admin) => admin.end(),
    open: ({ url }, options: ReachedOptions) => createPostgresBackend(reached(url, options)),
  });
}
