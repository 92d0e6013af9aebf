import { createLockManager, type LockManager } from '@holdfast/core';
import { type ConformanceHarness, conformanceCases, runConformanceCase } from '@holdfast/core/conformance';
import { createPostgresBackend, postgresSchemaSql } from '@holdfast/postgres';
import { newName, warmUp } from '@holdfast/test/backend';
import { type PostgresServer, startPostgres } from '@holdfast/test/servers';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { wiredHarness } from './conformance-harness.js';
import { createHostileSchema, type HostileSchema } from './hostile-schema.js';
import type { Settings } from './reached.js';

let server: PostgresServer;
let app: PostgresServer;
let admin: pg.Pool;
let hostile: HostileSchema;

beforeAll(async () => {
  // Roles and their settings are the whole server's, so it is one of this file's own.
  server = await startPostgres({ config: {} });
  admin = new pg.Pool({ connectionString: server.url, max: 3 });
  admin.on('error', () => {});
  hostile = await createHostileSchema(admin, 'mallory');
  await admin.query(`CREATE ROLE app LOGIN; ALTER ROLE app SET search_path = ${hostile.searchPath}`);
  app = { ...server, url: server.url.replace('//postgres:', '//app:') };
}, 60_000);
afterAll(async () => {
  await admin?.end();
  await server?.close();
});

/** Together these send every statement of ours; the rest only sends them more often, or with other values. */
const TOPICS = [
  'kinds',
  'leases',
  'renewal',
  'exclusive',
  'unavailable',
  'fencing',
  'semaphores',
  'read-write',
  'many',
  'abort',
  'close',
  'waiting',
  'inspection',
  'health',
  'marks',
  'backend',
];

async function expectNothingRun(): Promise<void> {
  expect(await hostile.runs()).toEqual({ count: 0, last: null });
}

describe("beside a role that has put its own of everything before what is PostgreSQL's", () => {
  it('notices when anything of it is run', async () => {
    for (const [text, what] of [
      ['SELECT now()', 'now()'],
      ["SELECT 'a'::pg_catalog.text = 'a'::pg_catalog.text", 'text = text'],
      ['SELECT count(1::pg_catalog.int8)', 'count(bigint)'],
      ["SELECT '1'::jsonb", 'type jsonb'],
      ['SELECT 1 FROM pg_locks', 'pg_locks'],
      ["SELECT CASE 'a'::pg_catalog.text WHEN 'b'::pg_catalog.text THEN 1 END", 'text = text'],
    ] as const) {
      const client = new pg.Client({ connectionString: app.url });
      await client.connect();
      const { count } = await hostile.runs();
      await expect(client.query(text)).rejects.toMatchObject({ code: 'P0001' });
      expect(await hostile.runs()).toEqual({ count: count + 1, last: what });
      await client.end();
    }
    await admin.query(`ALTER SEQUENCE hostile.runs RESTART; SELECT setval('hostile.last', 0)`);
    await expectNothingRun();
  });

  it('the SQL that a DBA runs runs nothing of that role, nor does making the same objects on first use', async () => {
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    await client.query(`SET search_path = ${hostile.searchPath}`);
    await client.query(postgresSchemaSql({ role: 'app' }));
    await client.query(postgresSchemaSql({ role: 'app' }));
    await client.end();
    await admin.query('GRANT CREATE ON DATABASE postgres TO app');
    for (const strategy of ['advisory', 'table'] as const) {
      await using locks = managerOf({ strategy, schema: `made_for_${strategy}` });
      expect(await (await locks.acquire(newName())).release()).toBe(true);
    }
    await expectNothingRun();
  });

  it.each(['timestamp', 'timestamptz(0)'])('a table of ShedLock (%s) is used without running anything of that role', async (type) => {
    const table = `shed_${type.slice(0, 11)}`;
    await admin.query(`CREATE TABLE public.${table} (name varchar(64) PRIMARY KEY, lock_until pg_catalog.${type} NOT NULL,
      locked_at pg_catalog.${type} NOT NULL, locked_by varchar(255) NOT NULL); GRANT ALL ON public.${table} TO app`);
    await using locks = managerOf({ strategy: 'table', shedLockTable: table });
    await using other = managerOf({ strategy: 'table', shedLockTable: `public.${table}` });
    const lease = await locks.acquire('name');
    expect(await other.tryAcquire('name')).toBe(null);
    await lease.extend();
    expect(await other.inspect('name')).toMatchObject({ held: true });
    for await (const { name } of other.list({ prefix: 'n' })) expect(name).toBe('name');
    expect(await other.forceRelease('name')).toBe(true);
    expect(await lease.release()).toBe(false);
    expect(await (await other.acquire('name')).release()).toBe(true);
    expect(await locks.checkHealth()).toMatchObject({ ok: true });
    await expectNothingRun();
  });

  for (const strategy of ['advisory', 'table'] as const) {
    const wired = wiredHarness(
      `PostgreSQL, ${strategy}, beside a hostile role`,
      () => app,
      async () => [],
      { strategy, ...(strategy === 'advisory' && { sessionMs: 6_000 }) },
    );
    // What faults of the wire would do changes no statement.
    const harness: ConformanceHarness = {
      ...wired,
      faults: ['killSession', 'openBackend'],
      async setup(options) {
        const setup = await wired.setup(options);
        const { openBackend } = setup.faults ?? {};
        return { ...setup, faults: openBackend === undefined ? {} : { openBackend } };
      },
    };
    describe(`strategy ${strategy}`, () => {
      beforeAll(() => warmUp(harness));
      afterAll(expectNothingRun);
      for (const testCase of conformanceCases({ faults: harness.faults })) {
        if (!TOPICS.includes(testCase.topic) || testCase.id.endsWith('/load')) continue;
        it.concurrent(`${testCase.id}: ${testCase.title}`, () => runConformanceCase(harness, testCase), testCase.timeoutMs + 35_000);
      }
    });
  }
});

function managerOf(options: Settings): LockManager {
  return createLockManager(createPostgresBackend({ connectionString: app.url, ...options }));
}
