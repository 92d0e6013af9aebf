// Compiled by the oldest TypeScript that we support and by the newest, against the packed packages: a client or an address, never both and never neither.
export const OPTIONS = `
import { createPostgresLockManager, type PostgresPool, type PostgresQuery, type PostgresSql } from 'holdfast/postgres';
import { createRedisLockManager, type RedisClient } from 'holdfast/redis';

declare const client: RedisClient;
declare const pool: PostgresPool;
declare const sql: PostgresSql;
declare const query: PostgresQuery;
const url = 'redis://h';
const connectionString = 'postgres://h';

export const accepted: readonly object[] = [
  createRedisLockManager({ client, fair: true }),
  createRedisLockManager({ url, driver: 'redis', driverOptions: {} }),
  createPostgresLockManager({ pool }),
  createPostgresLockManager({ sql, strategy: 'table' }),
  createPostgresLockManager({ query, strategy: 'table' }),
  createPostgresLockManager({ connectionString, driverOptions: {}, sessionMs: 5_000 }),
  createPostgresLockManager({ connectionString, pool: undefined }),
];

export const refused: readonly object[] = [
  // @ts-expect-error both
  createRedisLockManager({ client, url }),
  // @ts-expect-error neither
  createRedisLockManager({ fair: true }),
  // @ts-expect-error a client has a driver
  createRedisLockManager({ client, driver: 'redis' }),
  // @ts-expect-error both
  createPostgresLockManager({ pool, sql }),
  // @ts-expect-error both
  createPostgresLockManager({ sql, connectionString }),
  // @ts-expect-error both
  createPostgresLockManager({ query, connectionString, strategy: 'table' }),
  // @ts-expect-error neither
  createPostgresLockManager({ strategy: 'table' }),
  // @ts-expect-error a function has no session
  createPostgresLockManager({ query }),
  // @ts-expect-error they are the driver's of an address
  createPostgresLockManager({ sql, driverOptions: {} }),
];
`;
