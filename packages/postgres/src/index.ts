export { createPostgresBackend } from './create-postgres-backend.js';
export type { PostgresPool, PostgresPoolClient } from './postgres-client.js';
export type { PostgresBackendOptions } from './postgres-options.js';
export { type PostgresSchemaOptions, postgresSchemaSql } from './schema.js';
