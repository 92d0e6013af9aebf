import type { HoldRequest, LockBackend } from '@holdfast/core';
import { createPostgresBackend } from '@holdfast/postgres';
import { callOf, newName, permitsOf, requestOf } from '@holdfast/test/backend';
import { type PostgresServer, startPostgres, until } from '@holdfast/test/servers';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Rows of other names that are held. */
const ROWS = 8_000;
/** Holds that are renewed and released in one statement. */
const HOLDS = 400;

let server: PostgresServer;
let admin: pg.Pool;

beforeAll(async () => {
  // A table that has just grown has no statistics until autovacuum comes by, a minute later at best.
  server = await startPostgres({ config: { autovacuum: 'off' } });
  admin = new pg.Pool({ connectionString: server.url, max: 2 });
});
afterAll(async () => {
  await admin?.end();
  await server?.close();
});

/** How many rows and index entries of a table have been read by sessions that have ended. */
async function readIn(table: string): Promise<number> {
  const { rows } = await admin.query<{ readonly read: number }>(
    `SELECT (seq_tup_read + coalesce((SELECT sum(idx_tup_read) FROM pg_stat_all_indexes AS i WHERE i.relid = t.relid), 0))::int AS read
     FROM pg_stat_all_tables AS t WHERE t.relid = $1::regclass`,
    [table],
  );
  return rows[0]?.read ?? 0;
}

const kinds: readonly (readonly [title: string, kind: string, mode: string, request: (name: string) => HoldRequest])[] = [
  ['locks', 'lock', 'x', (name) => requestOf(name, 'exclusive', { ttlMs: 600_000 })],
  ['permits', 'semaphore', 'p', (name) => permitsOf(name, 1, 2, { ttlMs: 600_000 })],
  ['readers', 'read-write', 'r', (name) => requestOf(name, 'read', { ttlMs: 600_000 })],
];

describe('each lease is found by its primary key, whatever the planner knows of the table', () => {
  it.each(kinds)('%s', async (_, kind, mode, request) => {
    const namespace = newName();
    const options = { connectionString: server.url, strategy: 'table', namespace, schema: `s_${kind.replace('-', '_')}` } as const;
    await expectFewRead(
      `${options.schema}.leases`,
      () => createPostgresBackend(options),
      request,
      () =>
        admin.query(
          `INSERT INTO ${options.schema}.leases (namespace, kind, name, owner, fence, expires_at, holders, writer_waits_until)
         SELECT $1, $2, ('other ' || i)::bytea, 'o', 1, now() + interval '1 hour',
           jsonb_build_object('o', jsonb_build_object('m', $3::text, 'p', 1, 'e', 4e12, 'f', 1, 'l', '')), '-infinity'
         FROM generate_series(1, ${ROWS}) AS i`,
          [namespace, kind, mode],
        ),
    );
  });

  it('rows of ShedLock', async () => {
    await admin.query(`CREATE TABLE public.shedlock (name varchar(64) PRIMARY KEY, lock_until timestamp NOT NULL,
      locked_at timestamp NOT NULL, locked_by varchar(255) NOT NULL)`);
    const options = { connectionString: server.url, strategy: 'table', shedLockTable: 'public.shedlock' } as const;
    await expectFewRead(
      'public.shedlock',
      () => createPostgresBackend(options),
      (name) => requestOf(name, 'exclusive', { ttlMs: 600_000 }),
      () =>
        admin.query(
          `INSERT INTO public.shedlock SELECT 'other ' || i, now() + interval '1 day', now(), 'jvm' FROM generate_series(1, ${ROWS}) AS i`,
        ),
    );
  });
});

async function expectFewRead(
  table: string,
  open: () => LockBackend,
  request: (name: string) => HoldRequest,
  grow: () => Promise<unknown>,
): Promise<void> {
  // A connection plans its statements once: while the table was empty, or when it has grown.
  for (const plansWhenEmpty of [true, false]) {
    const backend = open();
    const requests = Array.from({ length: HOLDS }, () => request(newName()));
    const use = async (): Promise<void> => {
      const granted = await backend.attempt(requests, callOf(20_000));
      expect(granted.every((answer) => answer.granted)).toBe(true);
      expect(
        await backend.renew(
          requests.map((hold) => ({ ...hold, ttlMs: 600_000 })),
          callOf(20_000),
        ),
      ).not.toContain(false);
      expect(await backend.release(requests, callOf(20_000))).not.toContain(false);
    };
    if (plansWhenEmpty) {
      // A prepared statement has its final plan from its sixth execution on.
      for (let times = 0; times < 7; times++) await use();
      await grow();
    }
    const before = await readIn(table);
    await use();
    await backend.close();
    // A session tells what it has read when it ends.
    await until('it has been told', async () => (await readIn(table)) > before);
    // Walking through the others for each lease would be HOLDS times ROWS.
    expect((await readIn(table)) - before).toBeLessThan((HOLDS * ROWS) / 20);
  }
}
