import type { SqlDialectName, SqlTransaction } from '@holdfast/fencing';
import { createClient } from '@libsql/client';
import { sql as drizzleSql } from 'drizzle-orm';
import { drizzle as drizzleLibsql } from 'drizzle-orm/libsql';
import { drizzle as drizzleMysql } from 'drizzle-orm/mysql2';
import { drizzle as drizzlePg } from 'drizzle-orm/node-postgres';
import knex, { type Knex } from 'knex';
import { CompiledQuery, Kysely, MysqlDialect, PostgresDialect } from 'kysely';
import Database from 'libsql';
import mysql from 'mysql2';
import mysqlPromise from 'mysql2/promise';
import pg from 'pg';
import postgres from 'postgres';

/** A database by way of one library. */
export interface Client {
  readonly dialect: SqlDialectName;
  /** Runs statements outside of any transaction. */
  run(text: string): Promise<unknown>;
  /** The one number that a query answers. */
  number(text: string): Promise<number>;
  /** Runs the body in a transaction, which is rolled back when it throws. */
  transaction<T>(body: (tx: SqlTransaction, run: (text: string) => Promise<unknown>) => Promise<T>): Promise<T>;
  /** What somebody might hand over by mistake. */
  readonly outside: SqlTransaction;
  close(): Promise<void>;
}

/** The first value of a result, whatever the library makes of results. */
function numberOf(result: unknown): number {
  const whole = result as { readonly rows?: readonly object[] } & readonly (object | readonly object[])[];
  const row = whole.rows?.[0] ?? (Array.isArray(whole[0]) ? (whole[0] as readonly object[])[0] : whole[0]);
  return Number(Object.values(row ?? {})[0]);
}

/** One way of beginning and ending transactions for drivers that have none of their own. */
async function bracketed<T>(run: (text: string) => Promise<unknown>, body: () => Promise<T>): Promise<T> {
  await run('begin');
  try {
    const value = await body();
    await run('commit');
    return value;
  } catch (error) {
    await run('rollback');
    throw error;
  }
}

function pgClient(url: string): Client {
  const pool = new pg.Pool({ connectionString: url });
  return {
    dialect: 'postgres',
    run: (text) => pool.query(text),
    number: async (text) => numberOf(await pool.query(text)),
    async transaction(body) {
      const client = await pool.connect();
      const run = (text: string): Promise<unknown> => client.query(text);
      try {
        return await bracketed(run, () => body(client, run));
      } finally {
        client.release();
      }
    },
    outside: pool,
    close: () => pool.end(),
  };
}

function postgresJs(url: string): Client {
  const sql = postgres(url, { onnotice: () => {} });
  return {
    dialect: 'postgres',
    run: async (text) => await sql.unsafe(text),
    number: async (text) => numberOf(await sql.unsafe(text)),
    transaction: async <T>(body: Parameters<Client['transaction']>[0]) =>
      (await sql.begin((tx) => body(tx, async (text) => await tx.unsafe(text)))) as T,
    outside: sql,
    close: () => sql.end(),
  };
}

function kysely(db: Kysely<object>, dialect: SqlDialectName): Client {
  return {
    dialect,
    run: (text) => db.executeQuery(CompiledQuery.raw(text)),
    number: async (text) => numberOf(await db.executeQuery(CompiledQuery.raw(text))),
    transaction: (body) => db.transaction().execute((tx) => body(tx, (text) => tx.executeQuery(CompiledQuery.raw(text)))),
    outside: db,
    close: () => db.destroy(),
  };
}

function knexClient(db: Knex, dialect: SqlDialectName): Client {
  return {
    dialect,
    run: async (text) => (await db.raw(text)) as unknown,
    number: async (text) => numberOf(await db.raw(text)),
    transaction: (body) => db.transaction((tx) => body(tx, async (text) => (await tx.raw(text)) as unknown)),
    outside: db,
    close: () => db.destroy(),
  };
}

function drizzleOnPg(url: string): Client {
  const pool = new pg.Pool({ connectionString: url });
  const db = drizzlePg(pool);
  return {
    dialect: 'postgres',
    run: async (text) => await db.execute(drizzleSql.raw(text)),
    number: async (text) => numberOf(await db.execute(drizzleSql.raw(text))),
    transaction: (body) => db.transaction((tx) => body(tx, async (text) => await tx.execute(drizzleSql.raw(text)))),
    outside: db,
    close: () => pool.end(),
  };
}

function mysql2(url: string): Client {
  const pool = mysqlPromise.createPool(url);
  return {
    dialect: 'mysql',
    run: (text) => pool.query(text),
    number: async (text) => numberOf(await pool.query(text)),
    async transaction(body) {
      const connection = await pool.getConnection();
      const run = (text: string): Promise<unknown> => connection.query(text);
      try {
        return await bracketed(run, () => body(connection, run));
      } finally {
        connection.release();
      }
    },
    outside: pool,
    close: () => pool.end(),
  };
}

function drizzleOnMysql(url: string): Client {
  const pool = mysqlPromise.createPool(url);
  const db = drizzleMysql(pool);
  return {
    dialect: 'mysql',
    run: async (text) => await db.execute(drizzleSql.raw(text)),
    number: async (text) => numberOf(await db.execute(drizzleSql.raw(text))),
    transaction: (body) => db.transaction((tx) => body(tx, async (text) => await tx.execute(drizzleSql.raw(text)))),
    outside: db,
    close: () => pool.end(),
  };
}

function libsql(file: string): Client {
  const db = new Database(file);
  const run = async (text: string): Promise<unknown> => db.exec(text);
  return {
    dialect: 'sqlite',
    run,
    number: async (text) => numberOf(db.prepare(text).all()),
    transaction: (body) => bracketed(run, () => body(db, run)),
    outside: db,
    close: async () => void db.close(),
  };
}

function libsqlClient(file: string): Client {
  const db = createClient({ url: `file:${file}` });
  return {
    dialect: 'sqlite',
    run: (text) => db.executeMultiple(text),
    number: async (text) => numberOf(await db.execute(text)),
    async transaction(body) {
      const tx = await db.transaction('write');
      try {
        const value = await body(tx, (text) => tx.execute(text));
        await tx.commit();
        return value;
      } finally {
        tx.close();
      }
    },
    outside: db,
    close: async () => db.close(),
  };
}

function drizzleOnLibsql(file: string): Client {
  const client = createClient({ url: `file:${file}` });
  const db = drizzleLibsql(client);
  return {
    dialect: 'sqlite',
    run: async (text) => await db.run(text),
    number: async (text) => numberOf(await client.execute(text)),
    transaction: (body) => db.transaction((tx) => body(tx, async (text) => await tx.run(text))),
    outside: db,
    close: async () => client.close(),
  };
}

/** Each by its name, made of an address: that of a server, or a file. */
export const libraries = {
  postgres: {
    pg: pgClient,
    'postgres.js': postgresJs,
    Kysely: (url: string) =>
      kysely(new Kysely({ dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: url }) }) }), 'postgres'),
    Knex: (url: string) => knexClient(knex({ client: 'pg', connection: url }), 'postgres'),
    Drizzle: drizzleOnPg,
  },
  mysql: {
    mysql2,
    Kysely: (url: string) => kysely(new Kysely({ dialect: new MysqlDialect({ pool: mysql.createPool(url) }) }), 'mysql'),
    Knex: (url: string) => knexClient(knex({ client: 'mysql2', connection: url }), 'mysql'),
    Drizzle: drizzleOnMysql,
  },
  sqlite: { libsql, '@libsql/client': libsqlClient, Drizzle: drizzleOnLibsql },
} as const satisfies Record<SqlDialectName, Record<string, (address: string) => Client>>;
