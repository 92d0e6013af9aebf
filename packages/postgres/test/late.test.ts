import type { HoldRequest, LockBackend, LockKind, ReleaseAnswer } from '@holdfast/core';
import { createPostgresBackend, type PostgresBackendOptions } from '@holdfast/postgres';
import { createManualClock } from '@holdfast/core/testing';
import { attempt, callOf, newName, permitsOf, requestOf } from '@holdfast/test/backend';
import { type PostgresServer, startPostgres, startTcpProxy, type TcpProxy, until } from '@holdfast/test/servers';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, type TestContext, vi } from 'vitest';
import { backendOf } from '../src/create-postgres-backend.js';
import { resolvePostgresOptions } from '../src/postgres-options.js';

let server: PostgresServer;
let admin: pg.Pool;

beforeAll(async () => {
  server = await startPostgres();
  admin = new pg.Pool({ connectionString: server.url, max: 3 });
  admin.on('error', () => {});
  await admin.query(`CREATE TABLE IF NOT EXISTS public.late_shedlock (name varchar(64) PRIMARY KEY, lock_until timestamp NOT NULL,
    locked_at timestamp NOT NULL, locked_by varchar(255) NOT NULL)`);
});
afterAll(async () => {
  await admin?.end();
  await server?.close();
});

const locks = { strategy: 'table' } as const;
const shedLock = { strategy: 'table', shedLockTable: 'public.late_shedlock' } as const;
type TableOptions = typeof locks | typeof shedLock;

const kinds: readonly (readonly [title: string, options: TableOptions, request: () => HoldRequest])[] = [
  ['lock', locks, () => requestOf(newName(), 'exclusive', { ttlMs: 60_000 })],
  ['write lock', locks, () => requestOf(newName(), 'write', { ttlMs: 60_000 })],
  ['read lock', locks, () => requestOf(newName(), 'read', { ttlMs: 60_000 })],
  ['permits', locks, () => permitsOf(newName(), 1, 1, { ttlMs: 60_000 })],
  ['row of ShedLock', shedLock, () => requestOf(newName(), 'exclusive', { ttlMs: 60_000 })],
];

function open(options: PostgresBackendOptions): LockBackend {
  const backend = createPostgresBackend(options);
  onTestFinished(() => backend.close());
  return backend;
}

interface Late {
  readonly proxy: TcpProxy;
  readonly backend: LockBackend;
  /** By what the server knows the connections of this test. */
  readonly application: string;
}

/** A backend over a proxy, on connections of ours or of the user's, until the test has finished. */
async function openLate(finished: TestContext['onTestFinished'], options: TableOptions, isPooled: boolean): Promise<Late> {
  const proxy = await startTcpProxy({ target: server.port });
  finished(() => proxy.close());
  const url = new URL(server.url);
  url.port = String(proxy.port);
  const application = newName();
  const pool = new pg.Pool({ connectionString: url.href, application_name: application, max: 4 });
  pool.on('error', () => {});
  finished(() => void pool.end().catch(() => {}));
  const source = isPooled ? { pool } : { connectionString: url.href, driverOptions: { application_name: application } };
  const backend = createPostgresBackend({ ...source, ...options });
  finished(() => backend.close());
  // Makes first contact.
  const first = requestOf(newName());
  await backend.attempt([first], callOf());
  await backend.release([first], callOf());
  return { proxy, backend, application };
}

const kindOf = ({ mode }: HoldRequest): LockKind => (mode === 'permits' ? 'semaphore' : mode === 'exclusive' ? 'lock' : 'read-write');

async function isHeld(request: HoldRequest, options: TableOptions): Promise<boolean> {
  const backend = createPostgresBackend({ connectionString: server.url, ...options });
  try {
    return (await backend.inspect(request.name, kindOf(request), callOf())).held;
  } finally {
    await backend.close();
  }
}

/** As core does: repeats a release until its answer is final. */
async function freeForGood(backend: LockBackend, request: HoldRequest): Promise<readonly ReleaseAnswer[]> {
  const answers: ReleaseAnswer[] = [];
  await until(
    'a final release',
    async () => {
      const [answer] = await backend.release([request], callOf()).catch(() => []);
      if (typeof answer === 'object') answers.push(answer);
      return answers.at(-1)?.isFinal === true;
    },
    { timeoutMs: 10_000, everyMs: 50 },
  );
  return answers;
}

/** A request that is held up on its way while its connection ends. */
async function heldUp(proxy: TcpProxy, backend: LockBackend, request: HoldRequest, timeoutMs: number): Promise<void> {
  proxy.hold();
  const asked = backend.attempt([request], callOf(timeoutMs)).catch((error: unknown) => error);
  await until('the request is on its way', () => proxy.held > 0);
  proxy.pass();
  proxy.cutClients();
  expect(await asked).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: true, wasSent: true });
}

/** What was held up arrives, and the server has dealt with it. */
async function deliver({ proxy, application }: Late): Promise<void> {
  const { rows } = await admin.query<{ readonly now: string }>('SELECT clock_timestamp()::text AS now');
  await proxy.deliver();
  await until('the server has dealt with it', async () => {
    const { rowCount } = await admin.query(
      `SELECT FROM pg_stat_activity WHERE application_name = $1 AND state LIKE 'idle%' AND state_change > $2::timestamptz`,
      [application, rows[0]?.now],
    );
    return rowCount !== 0;
  });
}

describe.each([
  ['a connection of ours', false],
  ["a pool of the user's", true],
] as const)('a request that arrives late over %s', (_, isPooled) => {
  // Each has a way, connections and a name of its own, and waits.
  it.concurrent.for(kinds)('leaves no %s behind the release that was to undo it', async ([, options, newRequest], test) => {
    const late = await openLate(test.onTestFinished, options, isPooled);
    const { proxy, backend } = late;
    const request = newRequest();
    await heldUp(proxy, backend, request, 1_000);
    const [first] = await freeForGood(backend, request);
    expect(first).toEqual({ wasOurs: false, isFinal: false });
    await deliver(late);
    expect(await isHeld(request, options)).toBe(false);
  });

  it.concurrent.for(kinds)('and is granted in time (%s) is freed by a release that is repeated', async ([, options, newRequest], test) => {
    const { proxy, backend } = await openLate(test.onTestFinished, options, isPooled);
    const request = newRequest();
    await heldUp(proxy, backend, request, 4_000);
    // The first may run into another connection that was cut.
    const first = await backend.release([request], callOf()).catch(() => backend.release([request], callOf()));
    expect(first).toEqual([{ wasOurs: false, isFinal: false }]);
    await proxy.deliver();
    await until('it stands', () => isHeld(request, options));
    const answers = await freeForGood(backend, request);
    expect(answers.at(0)?.wasOurs).toBe(true);
    expect(answers.at(-1)?.isFinal).toBe(true);
    expect(await isHeld(request, options)).toBe(false);
  });
});

describe('a request in time', () => {
  it.each(kinds)('is released permanently at once when it has been answered (%s)', async (_title, options, newRequest) => {
    const backend = open({ connectionString: server.url, ...options });
    const requests = [newRequest(), newRequest()];
    expect(await backend.attempt(requests, callOf())).toMatchObject([{ granted: true }, { granted: true }]);
    expect(
      await backend.renew(
        requests.map((request) => ({ ...request, ttlMs: 60_000 })),
        callOf(),
      ),
    ).toEqual([true, true]);
    expect(await backend.release(requests, callOf())).toEqual([
      { wasOurs: true, isFinal: true },
      { wasOurs: true, isFinal: true },
    ]);
    expect(await backend.release(requests, callOf())).toEqual([
      { wasOurs: false, isFinal: true },
      { wasOurs: false, isFinal: true },
    ]);
  });

  it('costs one statement, as first contact has shown the time', async () => {
    const backend = open({ connectionString: server.url, ...locks });
    await backend.checkHealth(callOf());
    const sent = vi.spyOn(pg.Client.prototype, 'query');
    onTestFinished(() => sent.mockRestore());
    await backend.attempt([requestOf(newName())], callOf());
    const leases = sent.mock.calls.filter(([query]) =>
      String((query as unknown as { readonly text?: string }).text).includes('granted AS'),
    );
    expect(leases).toHaveLength(1);
  });
});

describe('a statement that waits for a row', () => {
  it.each(kinds.filter(([, options]) => options === locks))(
    'until its time is over grants nothing (%s)',
    async (_title, options, newRequest) => {
      const backend = open({ connectionString: server.url, ...options });
      const request = newRequest();
      // The row is there, and somebody has locked it.
      await backend.attempt([request], callOf());
      await backend.release([request], callOf());
      const client = await admin.connect();
      await client.query('BEGIN');
      await client.query(`SELECT FROM holdfast.leases WHERE name = $1::bytea FOR UPDATE`, [Buffer.from(request.name)]);
      const late = { ...request, owner: 'f'.repeat(32) };
      await expect(attempt(backend as LockBackend<bigint>, late, 300)).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
      await until('its time is over', async () => (await admin.query('SELECT pg_sleep(0.5)')).rowCount === 1);
      await client.query('COMMIT');
      client.release();
      await until('nobody waits for the row', async () => {
        const { rowCount } = await admin.query(`SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'`);
        return rowCount === 0;
      });
      expect(await isHeld(late, options)).toBe(false);
      await freeForGood(backend, late);
      expect(await isHeld(late, options)).toBe(false);
    },
  );
});

describe("a server's clock", () => {
  it('that is not the one which was read last costs one more round trip; busy stays busy, and free is not reported as busy', async () => {
    const clock = createManualClock();
    const backend = backendOf(resolvePostgresOptions('test', { connectionString: server.url, ...locks }), clock);
    onTestFinished(() => backend.close());
    const call = { ...callOf(), clock };
    const [held, other] = [requestOf(newName(), 'exclusive', { ttlMs: 60_000 }), requestOf(newName(), 'exclusive', { ttlMs: 60_000 })];
    await backend.attempt([held], call);
    // Here hours go by, as before a successor whose clock is behind; there none of it.
    clock.block(3 * 3_600_000);
    expect(await backend.attempt([other, { ...held, owner: other.owner }], call)).toMatchObject([{ granted: true }, { granted: false }]);
    clock.block(3 * 3_600_000);
    expect(await backend.renew([{ ...held, ttlMs: 60_000 }], call)).toEqual([true]);
    // The machine here stood still, and its clock with it: what it sends has been late for long.
    await admin.query('SELECT pg_sleep(1)');
    const brief = { ...call, timeoutMs: 400 };
    expect(await backend.attempt([requestOf(newName())], brief)).toMatchObject([{ granted: true }]);
    await admin.query('SELECT pg_sleep(1)');
    expect(await backend.renew([{ ...held, ttlMs: 60_000 }], brief)).toEqual([true]);
    expect(await backend.release([held, other], call)).toEqual([
      { wasOurs: true, isFinal: true },
      { wasOurs: true, isFinal: true },
    ]);
  });
});

describe('a release', () => {
  it.each(kinds)('is not final while the attempt has not been sent (%s)', async (_title, options, newRequest) => {
    const backend = open({ connectionString: server.url, ...options });
    const request = newRequest();
    // As after an abort in the same turn of the event loop: the attempt waits for its connection, and so may the release.
    const asked = backend.attempt([request], callOf());
    const [early] = await backend.release([request], callOf());
    expect(await asked).toMatchObject([{ granted: true }]);
    if (typeof early === 'object' && !early.wasOurs) expect(early.isFinal).toBe(false);
    await freeForGood(backend, request);
    expect(await isHeld(request, options)).toBe(false);
  });
});
