import type { HoldRequest, LockBackend } from '@holdfast/core';
import { createPostgresBackend } from '@holdfast/postgres';
import { callOf, newName, permitsOf, requestOf } from '@holdfast/test/backend';
import { type PostgresServer, startPostgres } from '@holdfast/test/servers';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

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

/** What a statement has been seen to do: every row that a node of its plan has read, whatever became of it. */
interface PlanNode {
  readonly 'Actual Rows': number;
  readonly 'Actual Loops': number;
  readonly 'Rows Removed by Filter'?: number;
  readonly 'Rows Removed by Join Filter'?: number;
  readonly 'Rows Removed by Index Recheck'?: number;
  readonly Plans?: readonly PlanNode[];
}

function rowsRead(node: PlanNode): number {
  const removed =
    (node['Rows Removed by Filter'] ?? 0) + (node['Rows Removed by Join Filter'] ?? 0) + (node['Rows Removed by Index Recheck'] ?? 0);
  const below = (node.Plans ?? []).reduce((sum, plan) => sum + rowsRead(plan), 0);
  return below + (node['Actual Rows'] + removed) * node['Actual Loops'];
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
      () => createPostgresBackend(options),
      (name) => requestOf(name, 'exclusive', { ttlMs: 600_000 }),
      () =>
        admin.query(
          `INSERT INTO public.shedlock SELECT 'other ' || i, now() + interval '1 day', now(), 'jvm' FROM generate_series(1, ${ROWS}) AS i`,
        ),
    );
  });
});

async function expectFewRead(open: () => LockBackend, request: (name: string) => HoldRequest, grow: () => Promise<unknown>): Promise<void> {
  const statements = await statementsOf(open(), request);
  expect(statements.length).toBeGreaterThanOrEqual(3);
  const client = await admin.connect();
  /** Carries a statement out, and back, and tells what it has read. */
  const measure = async (when: 'early' | 'late', index: number): Promise<number> => {
    const call = (which: number): string =>
      `EXECUTE ${when}_${which} (${(statements[which]?.values ?? []).map((value) => client.escapeLiteral(value)).join(', ')})`;
    const execute = `EXPLAIN (ANALYZE, FORMAT JSON) ${call(index)}`;
    await client.query('BEGIN');
    // What is renewed or freed must have been taken.
    if (index > 0) await client.query(call(0));
    const { rows } = await client.query<{ readonly 'QUERY PLAN': readonly { readonly Plan: PlanNode }[] }>(execute);
    await client.query('ROLLBACK');
    const [plan] = rows[0]?.['QUERY PLAN'] ?? [];
    return plan === undefined ? Number.NaN : rowsRead(plan.Plan);
  };
  for (const [index, { text }] of statements.entries()) {
    await client.query(`PREPARE early_${index} AS ${text}`);
    // From its sixth execution on a prepared statement has the plan that it keeps, here one for an empty table.
    for (let times = 0; times < 7; times++) await measure('early', index);
  }
  await grow();
  for (const [index, { text }] of statements.entries()) {
    await client.query(`PREPARE late_${index} AS ${text}`);
    // To walk through the other rows for each lease would be HOLDS times ROWS.
    for (const when of ['early', 'late'] as const) expect(await measure(when, index)).toBeLessThan(5 * ROWS);
  }
  client.release(true);
}

interface SentStatement {
  readonly text: string;
  readonly values: readonly string[];
}

/** What a backend sends to take, renew and free many holds at once. */
async function statementsOf(backend: LockBackend, request: (name: string) => HoldRequest): Promise<readonly SentStatement[]> {
  const requests = Array.from({ length: HOLDS }, () => request(newName()));
  // Makes first contact.
  await backend.inspect(newName(), 'lock', callOf(20_000));
  const sent = vi.spyOn(pg.Client.prototype, 'query');
  try {
    const granted = await backend.attempt(requests, callOf(20_000));
    expect(granted.every((answer) => answer.granted)).toBe(true);
    expect(
      await backend.renew(
        requests.map((hold) => ({ ...hold, ttlMs: 600_000 })),
        callOf(20_000),
      ),
    ).not.toContain(false);
    expect(await backend.release(requests, callOf(20_000))).not.toContain(false);
    const queries = sent.mock.calls.map(([query]) => query as unknown as Partial<SentStatement>);
    return queries.flatMap(({ text, values }) =>
      text !== undefined && values !== undefined && values.length > 1 ? [{ text, values }] : [],
    );
  } finally {
    sent.mockRestore();
    await backend.close();
  }
}
