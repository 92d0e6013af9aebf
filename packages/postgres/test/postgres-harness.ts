import type { LockBackend } from '@holdfast/core';
import { createPostgresBackend } from '@holdfast/postgres';
import { type PostgresServer, startPostgres } from '@holdfast/test/servers';
import pg from 'pg';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { type ReachedOptions, reached } from './reached.js';

/** One PostgreSQL for a test file, and backends on it that end with their test. */
export interface PostgresFixture {
  readonly server: PostgresServer;
  readonly admin: pg.Pool;
  backend(options?: ReachedOptions): LockBackend<bigint>;
}

export function usePostgres(config?: Readonly<Record<string, string | number>>): PostgresFixture {
  let server: PostgresServer | undefined;
  let admin: pg.Pool | undefined;
  const backends: LockBackend<bigint>[] = [];
  beforeAll(async () => {
    server = await startPostgres(config === undefined ? {} : { config });
    admin = new pg.Pool({ connectionString: server.url, max: 3 });
    admin.on('error', () => {});
  });
  afterEach(async () => {
    await Promise.all(backends.splice(0).map((backend) => backend.close()));
  });
  afterAll(async () => {
    await admin?.end();
    await server?.close();
  });
  const must = <T>(value: T | undefined): T => {
    if (value === undefined) throw new Error('not started');
    return value;
  };
  return {
    get server() {
      return must(server);
    },
    get admin() {
      return must(admin);
    },
    backend(options = {}) {
      const backend = createPostgresBackend(reached(must(server).url, options));
      backends.push(backend);
      return backend;
    },
  };
}
