import { Buffer } from 'node:buffer';
import type { LockKind } from '@holdfast/core';

/** The databases that a fence speaks to. MySQL's is MariaDB's too. */
export type SqlDialectName = 'postgres' | 'mysql' | 'sqlite';

/** What names a row of a fence table. */
export interface FenceKey {
  readonly scope: string;
  readonly kind: LockKind;
  readonly name: string;
}

/**
 * The statements of one dialect, whole: values stand in them as digits and as hexadecimal, so that every driver can run them, whatever it
 * calls its parameters. Names are bytes in the database: no collation makes two of them one. The last statement's first row has `token`.
 */
export interface SqlDialect {
  readonly quote: (identifier: string) => string;
  create(table: string, schema: string | undefined): string;
  /** Records the token unless a higher one is there, locks the row, and says which one stands. */
  enter(table: string, key: FenceKey, token: bigint): readonly string[];
  /** Locks the row against writers, if there is one, and says which token stands. */
  compare(table: string, key: FenceKey): readonly string[];
  reset(table: string, key: FenceKey): string;
}

const hex = (text: string): string => Buffer.from(text, 'utf8').toString('hex');

function where(key: FenceKey, bytes: (text: string) => string): string {
  return `scope = ${bytes(key.scope)} and kind = '${key.kind}' and name = ${bytes(key.name)}`;
}

function values(key: FenceKey, token: bigint, bytes: (text: string) => string): string {
  return `(scope, kind, name, token) values (${bytes(key.scope)}, '${key.kind}', ${bytes(key.name)}, ${token})`;
}

const pgBytes = (text: string): string => `pg_catalog.decode('${hex(text)}', 'hex')`;
const xBytes = (text: string): string => `x'${hex(text)}'`;

const postgres: SqlDialect = {
  quote: (identifier) => `"${identifier.replaceAll('"', '""')}"`,
  create: (table, schema) =>
    `${schema === undefined ? '' : `create schema if not exists ${postgres.quote(schema)};\n`}create table if not exists ${table} (
  scope bytea not null, kind text not null, name bytea not null,
  token bigint not null check (token >= 0),
  primary key (scope, kind, name)
);\n`,
  enter: (table, key, token) => [
    `insert into ${table} as f ${values(key, token, pgBytes)} on conflict (scope, kind, name) do update set token = greatest(f.token, excluded.token) returning f.token::text as token`,
  ],
  compare: (table, key) => [`select token::text as token from ${table} where ${where(key, pgBytes)} for share`],
  reset: (table, key) => `delete from ${table} where ${where(key, pgBytes)}`,
};

const mysql: SqlDialect = {
  quote: (identifier) => `\`${identifier.replaceAll('`', '``')}\``,
  // Not text: utf8mb4_bin takes 'a' and 'a ' for the same.
  create: (table) => `create table if not exists ${table} (
  scope varbinary(512) not null, kind varchar(16) not null, name varbinary(512) not null,
  token bigint not null check (token >= 0),
  primary key (scope, kind, name)
) engine = InnoDB;\n`,
  enter: (table, key, token) => [
    `insert into ${table} ${values(key, token, xBytes)} on duplicate key update token = greatest(token, ${token})`,
    `select cast(token as char) as token from ${table} where ${where(key, xBytes)} for update`,
  ],
  compare: (table, key) => [`select cast(token as char) as token from ${table} where ${where(key, xBytes)} lock in share mode`],
  reset: (table, key) => `delete from ${table} where ${where(key, xBytes)}`,
};

const sqlite: SqlDialect = {
  quote: postgres.quote,
  create: (table) => `create table if not exists ${table} (
  scope blob not null, kind text not null, name blob not null,
  token integer not null check (typeof(token) = 'integer' and token >= 0),
  primary key (scope, kind, name)
);\n`,
  enter: (table, key, token) => [
    `insert into ${table} ${values(key, token, xBytes)} on conflict (scope, kind, name) do update set token = max(token, excluded.token) returning cast(token as text) as token`,
  ],
  // One writer at a time in the whole database: a transaction that reads sees no later token than it does.
  compare: (table, key) => [`select cast(token as text) as token from ${table} where ${where(key, xBytes)}`],
  reset: (table, key) => `delete from ${table} where ${where(key, xBytes)}`,
};

export const dialects: Readonly<Record<SqlDialectName, SqlDialect>> = { postgres, mysql, sqlite };
