export { createPostgresBackend } from './create-postgres-backend.js';
export { createPostgresLockManager, type PostgresLockManagerOptions } from './create-postgres-lock-manager.js';
export { openBackend, openBackendRules, type OpenBackendOptions } from './open-backend.js';
export type { PostgresPool, PostgresPoolClient } from './postgres-client.js';
export type { PostgresBackendOptions } from './postgres-options.js';
export type { PostgresQuery } from './query-source.js';
export type { PostgresReservedSql, PostgresSql } from './postgres-js/postgres-sql.js';
export { type PostgresSchemaOptions, postgresSchemaSql } from './schema.js';
export {
  type PostgresJsTransaction,
  type TransactionClient,
  type TransactionLockOptions,
  withTransactionLock,
} from './transaction-lock.js';
