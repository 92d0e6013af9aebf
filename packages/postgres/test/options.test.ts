import { isLockError } from '@holdfast/core';
import { createPostgresBackend, createPostgresLockManager, type PostgresBackendOptions, type PostgresQuery } from '@holdfast/postgres';
import pg from 'pg';
import postgres from 'postgres';
import { expect, expectTypeOf, it } from 'vitest';

const url = 'postgres://user:SECRET@127.0.0.1:1/db';
// Nothing connects before a first statement.
const sql = postgres(url);
const pool = new pg.Pool({ connectionString: url });
const query: PostgresQuery = () => Promise.resolve([]);

function refusal(options: unknown): { readonly option: string | null; readonly message: string } {
  try {
    createPostgresBackend(options as PostgresBackendOptions);
    return { option: null, message: '' };
  } catch (error) {
    return isLockError(error, 'LOCK_INVALID_ARGUMENT') ? { option: error.option, message: error.message } : { option: 'none', message: '' };
  }
}

it.each([
  [undefined, 'options'],
  [{}, 'connectionString'],
  [{ pool, sql }, 'pool'],
  [{ sql, query, strategy: 'table' }, 'sql'],
  [{ sql, connectionString: url }, 'sql'],
  [{ query, strategy: 'table', connectionString: url }, 'query'],
  [{ query }, 'strategy'],
  [{ query, strategy: 'advisory' }, 'strategy'],
  [{ query: 'SELECT', strategy: 'table' }, 'query'],
  [{ sql, driverOptions: {} }, 'driverOptions'],
  [{ sql, strategy: 'table', sessionMs: 5_000 }, 'sessionMs'],
  [{ connectionString: 1 }, 'connectionString'],
  [{ connectionString: url, schema: 'pg_temp' }, 'schema'],
])('options that do not fit together are refused: %#', (options, option) => {
  expect(refusal(options)).toMatchObject({ option });
});

it.each<readonly [string, unknown, RegExp]>([
  ['a transaction', { unsafe() {}, savepoint() {} }, /transaction/],
  ['a connection that was reserved', { unsafe() {}, release() {} }, /reserved/],
  ['of an older version', { unsafe() {}, listen() {}, begin() {} }, /older/],
  ['what Bun makes', Object.assign(() => {}, { unsafe() {}, reserve() {}, begin() {} }), /Bun/],
  ['a pool of pg', pool, /goes with pool/],
  ['the module', postgres, /module/],
  ['of one connection', postgres(url, { max: 1 }), /max/],
  ['an address', url, /postgres\(url\)/],
  ['nothing', null, /postgres\(url\)/],
])('sql that is %s is refused, with what to do and without its value', (_, value, said) => {
  const { option, message } = refusal({ sql: value });
  expect(option).toBe('sql');
  expect(message).toMatch(said);
  expect(message).not.toContain('SECRET');
});

it.each<readonly [string, unknown, RegExp]>([
  ['a single client', new pg.Client({ connectionString: url }), /single Client/],
  ['what a pool has given', { query() {}, release() {} }, /pass the pool/],
  ['what postgres.js makes', sql, /goes with sql/],
  ['an address', url, /Pool of pg/],
])('a pool that is %s is refused, with what to do and without its value', (_, value, said) => {
  const { option, message } = refusal({ pool: value });
  expect(option).toBe('pool');
  expect(message).toMatch(said);
  expect(message).not.toContain('SECRET');
});

it('a pool that has been ended is refused at once', async () => {
  const ended = new pg.Pool({ connectionString: url });
  await ended.end();
  expect(refusal({ pool: ended })).toMatchObject({ option: 'pool' });
});

it('are, by their types, exactly one of pool, sql, query and connectionString', () => {
  expectTypeOf({ pool }).toExtend<PostgresBackendOptions>();
  expectTypeOf({ sql, strategy: 'table' as const }).toExtend<PostgresBackendOptions>();
  expectTypeOf({ query, strategy: 'table' as const }).toExtend<PostgresBackendOptions>();
  expectTypeOf({ connectionString: url, driverOptions: {}, pool: undefined }).toExtend<PostgresBackendOptions>();
  expectTypeOf({ pool, sql }).not.toExtend<PostgresBackendOptions>();
  expectTypeOf({ sql, connectionString: url }).not.toExtend<PostgresBackendOptions>();
  expectTypeOf({ query }).not.toExtend<PostgresBackendOptions>();
  expectTypeOf({ sql, driverOptions: {} }).not.toExtend<PostgresBackendOptions>();
  expectTypeOf({ strategy: 'table' as const }).not.toExtend<PostgresBackendOptions>();
  expectTypeOf(createPostgresLockManager({ sql })).toEqualTypeOf(createPostgresLockManager({ pool }));
});
