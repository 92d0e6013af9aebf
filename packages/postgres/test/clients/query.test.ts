import { PGlite } from '@electric-sql/pglite';
import { createPostgresLockManager, type PostgresQuery } from '@holdfast/postgres';
import { newName } from '@holdfast/test/backend';
import { until } from '@holdfast/test/servers';
import { drizzle } from 'drizzle-orm/node-postgres';
import knex from 'knex';
import { CompiledQuery, Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import postgres from 'postgres';
import { describe, expect, it, onTestFinished } from 'vitest';
import { usePostgres } from '../postgres-harness.js';

const database = usePostgres();

/** How each library runs a statement, as the documentation has it. */
const libraries: Readonly<Record<string, () => PostgresQuery>> = {
  pg: () => {
    const pool = new pg.Pool({ connectionString: database.server.url });
    onTestFinished(() => pool.end());
    return async (text, values) => {
      const { rows, fields } = await pool.query<object>(text, values);
      // Of two columns of one name a row that is an object has only the last.
      const names = fields.map(({ name }) => name);
      if (new Set(names).size < names.length) throw new Error(`two columns have one name: ${names.join(', ')}`);
      return rows;
    };
  },
  'postgres.js': () => {
    const sql = postgres(database.server.url, { onnotice: () => {} });
    onTestFinished(() => sql.end());
    return (text, values) => sql.unsafe(text, values);
  },
  Kysely: () => {
    const db = new Kysely<object>({ dialect: new PostgresDialect({ pool: new pg.Pool({ connectionString: database.server.url }) }) });
    onTestFinished(() => db.destroy());
    return async (text, values) => (await db.executeQuery(CompiledQuery.raw(text, values))).rows;
  },
  Knex: () => {
    const db = knex({ client: 'pg', connection: database.server.url });
    onTestFinished(() => db.destroy());
    return async (text, values) => {
      const bindings: string[] = [];
      const marked = text.replace(/\\|\?|\$(\d+)/g, (found: string, index?: string) => {
        if (index === undefined) return `\\${found}`;
        bindings.push(values[Number(index) - 1] ?? '');
        return '?';
      });
      return (await db.raw<{ readonly rows: unknown[] }>(marked, bindings)).rows;
    };
  },
  Drizzle: () => {
    const db = drizzle(database.server.url);
    onTestFinished(() => db.$client.end());
    return async (text, values) => (await db.$client.query(text, values)).rows as unknown[];
  },
  PGlite: () => {
    const db = new PGlite();
    onTestFinished(() => db.close());
    return async (text, values) => (await db.query(text, values)).rows;
  },
};

type Reached = { readonly sql: postgres.Sql<{ bigint: bigint }> } | { readonly query: PostgresQuery };

/** postgres.js itself, with types and names of the user's own. */
function openSql(): Reached {
  const sql = postgres(database.server.url, {
    onnotice: () => {},
    types: { bigint: postgres.BigInt },
    transform: { ...postgres.camel, undefined: null, value: { from: (value: unknown) => value } },
  });
  onTestFinished(() => sql.end({ timeout: 0 }));
  return { sql };
}

const ways: readonly (readonly [string, () => Reached | Promise<Reached>])[] = [
  ['sql', openSql],
  ...Object.entries(libraries).map(([library, open]) => {
    const options = async (): Promise<Reached> => {
      const query = open();
      // PGlite takes long to start.
      await query('SELECT 1', []);
      return { query };
    };
    return [library, options] as const;
  }),
];

describe.each(ways)('leases in a table, through %s', { timeout: 60_000 }, (_, open) => {
  it('are exclusive, rise in token, wait, are listed, forced, marked and shared', async () => {
    const reached = await open();
    const limits: string[] = [];
    const namespace = newName();
    const [locks, others] = [1, 2].map(() =>
      createPostgresLockManager({
        ...reached,
        strategy: 'table',
        namespace,
        ttlMs: 6000,
        commandTimeoutMs: 20_000,
        onEvent: ({ type }) => void limits.push(...(type === 'limit-differs' ? [type] : [])),
      }),
    );
    if (locks === undefined || others === undefined) throw new Error('not made');
    onTestFinished(async () => {
      await locks.close();
      await others.close();
    });
    const name = `lock "${newName()}" with ? and \\ and $1`;
    const held = await locks.acquire(name);
    expect(await others.tryAcquire(name)).toBeNull();
    expect(await others.inspect(name)).toMatchObject({ held: true, holders: [{ fencingToken: held.fencingToken }] });
    expect(await held.extend()).toBeUndefined();
    const names: string[] = [];
    for await (const state of others.list({ prefix: 'lock "' })) names.push(state.name);
    expect(names).toEqual([name]);
    expect(await locks.marks?.set(name, { retentionMs: 60_000 })).toBe(true);
    expect(await others.marks?.has(name)).toBe(true);
    const waiting = others.acquire(name, { waitMs: 20_000 });
    expect(await held.release()).toBe(true);
    const next = await waiting;
    expect(next.fencingToken).toBeGreaterThan(held.fencingToken);
    expect(await locks.forceRelease(name)).toBe(true);
    await until('the loss is seen', () => next.signal.aborted, { timeoutMs: 20_000 });

    const permits = [locks, others].map((each) => each.semaphore(name, { permits: 2 }));
    const taken = await Promise.all(permits.map((each) => each.acquire()));
    expect(await permits[0]?.tryAcquire()).toBeNull();
    for (const permit of taken) expect(await permit.release()).toBe(true);
    expect(limits).toEqual([]);

    const read = await locks.readWriteLock(name).read.acquire();
    expect(await others.readWriteLock(name).write.tryAcquire()).toBeNull();
    expect(await read.release()).toBe(true);
    expect((await locks.checkHealth()).ok).toBe(true);
  });
});

it('a function that answers no rows is refused by what it answers', async () => {
  const locks = createPostgresLockManager({ query: () => Promise.resolve({} as never), strategy: 'table' });
  onTestFinished(() => locks.close());
  await expect(locks.tryAcquire(newName())).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: false });
});
