import { createLockManager, type LockBackend } from '@holdfast/core';
import { attempt, callOf, free, newName, permitsOf, requestOf, take } from '@holdfast/test/backend';
import { startTcpProxy, until } from '@holdfast/test/servers';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { LockKeys } from '../src/advisory/lock-keys.js';
import { alteredPool } from './mutants/altered-pool.js';
import { usePostgres } from './postgres-harness.js';

const postgres = usePostgres();
const keys = new LockKeys('', () => undefined);
const told: string[] = [];
let listener: pg.Client;

beforeEach(async () => {
  told.length = 0;
  listener = new pg.Client({ connectionString: postgres.server.url });
  await listener.connect();
  listener.on('notification', ({ payload = '' }) => told.push(payload));
  for (let bucket = 0; bucket < 16; bucket++) await listener.query(`listen ${keys.channel(bucket)}`);
});
afterEach(() => listener.end());

/** Waits as a manager does: subscribes, then asks. */
async function wait(backend: LockBackend<bigint>, request: ReturnType<typeof requestOf>): Promise<{ wakes(): number; close(): void }> {
  let count = 0;
  const subscription = backend.subscribe?.(request, () => {
    count += 1;
  });
  expect((await attempt(backend, request)).granted).toBe(false);
  // A session that was opened for it has woken everybody.
  count = 0;
  return { wakes: () => count, close: () => subscription?.close() };
}

/** What a notification would have come before. */
async function settled(): Promise<void> {
  await listener.query('select 1');
}

describe('a release', () => {
  it('notifies only when somebody has announced to wait, and not any more when that one has left', async () => {
    const [holder, waiter] = [postgres.backend(), postgres.backend()];
    const name = newName();
    const { id } = keys.of('lock', name);
    const first = requestOf(name);
    await take(holder, first);
    await free(holder, first);
    await settled();
    expect(told).toEqual([]);

    const second = requestOf(name);
    await take(holder, second);
    const waiting = await wait(waiter, requestOf(name));
    await free(holder, second);
    await until('it is woken', () => waiting.wakes() > 0 && told.length > 0);
    expect(told).toEqual([id]);
    waiting.close();

    await until('nothing is announced', async () => (await holder.inspect(name, 'lock', callOf())).waiters === 0);
    const third = requestOf(name);
    await take(holder, third);
    await free(holder, third);
    await settled();
    expect(told).toEqual([id]);
  });

  it('of one session wakes its own waiters without a message', async () => {
    const backend = postgres.backend();
    const request = requestOf(newName());
    await take(backend, request);
    const waiting = await wait(backend, requestOf(request.name));
    await free(backend, request);
    expect(waiting.wakes()).toBeGreaterThan(0);
    await settled();
    expect(told).toEqual([]);
    waiting.close();
  });

  it('of a writer that gives up wakes the readers that it kept out', async () => {
    const [holder, writer, reader] = [postgres.backend(), postgres.backend(), postgres.backend()];
    const name = newName();
    const held = requestOf(name, 'read');
    await take(holder, held);
    const writing = await wait(writer, requestOf(name, 'write'));
    const reading = await wait(reader, requestOf(name, 'read'));
    writing.close();
    await until('the reader is woken', () => reading.wakes() > 0);
    const request = requestOf(name, 'read');
    await take(reader, request);
    reading.close();
    expect([await free(holder, held), await free(reader, request)]).toEqual([true, true]);
  });

  it('of permits wakes every session that waits', async () => {
    const [holder, first, second] = [postgres.backend(), postgres.backend(), postgres.backend()];
    const name = newName();
    const all = permitsOf(name, 3, 3);
    await take(holder, all);
    const waiters = [await wait(first, permitsOf(name, 1, 3)), await wait(second, permitsOf(name, 2, 3))];
    await free(holder, all);
    await until('both are woken', () => waiters.every(({ wakes }) => wakes() > 0));
    for (const waiter of waiters) waiter.close();
  });
});

it.each([
  ['locks', (name: string) => requestOf(name)],
  ['permits', (name: string) => permitsOf(name, 1, 1)],
] as const)('a release whose statement fails midway notifies those who wait (%s)', async (_what, request) => {
  let isBroken = false;
  const failing = (text: string): string =>
    isBroken && text.includes('AS request(mode, key, announcement, channel, payload, i)')
      ? text.replace('SELECT i, CASE', 'SELECT pg_catalog.current_setting(i::text), CASE')
      : text;
  const breaks = (text: string): string => {
    const altered = failing(text);
    // The release fails, and what is sent behind it does not.
    if (altered !== text) isBroken = false;
    return altered;
  };
  const pool = alteredPool(postgres.server.url, 'broken', breaks);
  onTestFinished(() => pool.end());
  // Statements have no names, so that they may change.
  const [holder, waiter] = [postgres.backend({ pool, pooler: 'session' }), postgres.backend()];
  const held = request(newName());
  await take(holder, held);
  const waiting = await wait(waiter, request(held.name));
  isBroken = true;
  expect(await free(holder, held)).toBe(true);
  expect(isBroken).toBe(false);
  await until('it is woken', () => waiting.wakes() > 0);
  expect((await attempt(waiter, request(held.name))).granted).toBe(true);
  waiting.close();
  await holder.close();
});

it.each([
  ['locks', (name: string) => requestOf(name), 'SELECT i, result, pg_catalog.pg_backend_pid()'],
  ['permits', (name: string) => permitsOf(name, 1, 1), "'not announced' END, pg_catalog.pg_backend_pid()"],
] as const)('a take whose statement fails midway notifies those who were answered "busy" for it (%s)', async (_what, request, taken) => {
  // It has taken the lock by then, and keeps the lock for a while before it fails.
  const fails = '(SELECT pg_catalog.current_setting(i::text) FROM pg_catalog.pg_sleep(1.5))';
  let isBroken = true;
  const pool = alteredPool(postgres.server.url, 'breaking', (text) => {
    if (!isBroken || !text.includes(taken)) return text;
    isBroken = false;
    return text.replace(taken, taken.replace('pg_catalog.pg_backend_pid()', fails));
  });
  onTestFinished(() => pool.end());
  const [taker, waiter] = [postgres.backend({ pool, pooler: 'session' }), postgres.backend()];
  await attempt(waiter, requestOf(newName()));
  const wanted = request(newName());
  const failure = attempt(taker, wanted).then(null, (error: unknown) => error);
  await until('it is taken', async () => {
    const { rows } = await postgres.admin.query(
      `select from pg_locks join pg_stat_activity using (pid) where application_name = 'breaking' and locktype = 'advisory' and mode = 'ExclusiveLock'`,
    );
    return rows.length > 0;
  });
  const waiting = await wait(waiter, request(wanted.name));
  expect(await failure).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
  await until('it is woken', () => waiting.wakes() > 0);
  expect((await attempt(waiter, request(wanted.name))).granted).toBe(true);
  waiting.close();
  await taker.close();
});

describe.each(['advisory', 'table'] as const)('who waits (%s)', (strategy) => {
  it('may be overtaken by somebody who comes later', async () => {
    const [holder, waiter, late] = [postgres.backend({ strategy }), postgres.backend({ strategy }), postgres.backend({ strategy })];
    const name = newName();
    const held = requestOf(name);
    await take(holder, held);
    const waiting = await wait(waiter, requestOf(name));
    await free(holder, held);
    const overtaking = requestOf(name);
    await take(late, overtaking);
    await free(late, overtaking);
    waiting.close();
  });
});

describe('a request', () => {
  it('that is released before it was sent is not sent', async () => {
    const backend = postgres.backend();
    await free(backend, requestOf(newName()));
    await take(backend, requestOf(newName()));
    const request = requestOf(newName());
    const asked = backend.attempt([request], callOf()).then(
      () => 'answered',
      () => 'taken back',
    );
    expect(await free(backend, request)).toBe(false);
    expect(await asked).toBe('taken back');
    await take(postgres.backend(), requestOf(request.name));
  });

  it('for a name that this session has is answered without the server, for one that it asks for after that', async () => {
    const backend = postgres.backend();
    const name = newName();
    // Two of one name in one tick: the server would grant both to one session.
    const [a, b] = [requestOf(name), requestOf(name)];
    const answers = await Promise.all([attempt(backend, a), attempt(backend, b)]);
    expect(answers.map(({ granted }) => granted)).toEqual([true, false]);
    const together = permitsOf(name, 2, 3);
    const both = await Promise.all([attempt(backend, together), attempt(backend, permitsOf(name, 2, 3))]);
    expect(both.map(({ granted }) => granted)).toEqual([true, false]);
    expect((await attempt(postgres.backend(), permitsOf(name, 1, 3))).granted).toBe(true);
  });
});

describe('a dead writer that waited for leases in a table', () => {
  it('keeps new readers out for no more than two seconds, and they come in then', async () => {
    const proxy = await startTcpProxy({ target: postgres.server.port });
    onTestFinished(() => proxy.close());
    const options = { strategy: 'table', connectionString: proxy.urlFor(postgres.server.url) } as const;
    const [dying, living] = [createLockManager(postgres.backend(options)), createLockManager(postgres.backend({ strategy: 'table' }))];
    onTestFinished(async () => {
      await Promise.all([dying.close(), living.close()]);
    });
    const name = newName();
    const held = await living.readWriteLock(name).read.acquire();
    const waiting = dying
      .readWriteLock(name)
      .write.acquire({ waitMs: 30_000 })
      .catch(() => null);
    await until('the writer keeps readers out', async () => {
      const lease = await living.readWriteLock(name).read.tryAcquire();
      await lease?.release();
      return lease === null;
    });
    // It is there for a while, so that it asks as seldom as it ever does, and keeps them out all the time.
    const end = performance.now() + 4_000;
    while (performance.now() < end) expect(await living.readWriteLock(name).read.tryAcquire()).toBe(null);
    await proxy.refuse();
    const { rows } = await postgres.admin.query<{ readonly left: string }>(
      `SELECT extract(epoch FROM writer_waits_until - clock_timestamp()) * 1000 AS left FROM holdfast.leases WHERE kind = 'read-write' AND name = $1`,
      [Buffer.from(name)],
    );
    const leftMs = Number(rows[0]?.left);
    expect(leftMs).toBeGreaterThan(0);
    expect(leftMs).toBeLessThanOrEqual(2_000);
    const died = performance.now();
    const lease = await living.readWriteLock(name).read.acquire({ waitMs: 10_000 });
    // Readers ask as soon as that is over, which a busy machine may do a little later.
    expect(performance.now() - died).toBeLessThan(leftMs + 1_000);
    for (const one of [lease, held]) expect(await one.release()).toBe(true);
    await dying.close();
    await waiting;
  });
});

describe('what is seen of those who wait', () => {
  it('is all of them, in every process, with the age of the first, and for how long the lock is held', async () => {
    const [holder, waiter, observer] = [postgres.backend(), postgres.backend(), postgres.backend()];
    const [first, second] = [createLockManager(holder, { label: 'first' }), createLockManager(waiter)];
    const name = newName();
    const asked = performance.now();
    const hold = await first.acquire(name);
    const granted = performance.now();
    const leaving = new AbortController();
    const line = (manager: typeof first, count: number): readonly Promise<unknown>[] =>
      Array.from({ length: count }, () => manager.acquire(name, { signal: leaving.signal }).catch(() => null));
    // Of the holder's own process nobody asks the server while it holds the lock.
    const waits = [...line(first, 3), ...line(second, 2)];
    const look = () => observer.inspect(name, 'lock', callOf());
    await until('all five are seen', async () => (await look()).waiters === 5);
    // Each process says its ages as of the moment at which the question reaches that process.
    const looked = performance.now();
    const { holders, oldestWaitMs } = await look();
    const seen = performance.now();
    expect(oldestWaitMs).toBeGreaterThan(0);
    expect(oldestWaitMs).toBeLessThanOrEqual(seen - granted);
    expect(holders).toMatchObject([{ label: 'first', fencingToken: hold.fencingToken }]);
    expect(holders[0]?.heldMs).toBeGreaterThanOrEqual(looked - granted);
    expect(holders[0]?.heldMs).toBeLessThanOrEqual(seen - asked);
    leaving.abort();
    await Promise.all(waits);
    await until('nobody is seen to wait', async () => (await look()).waiters === 0);
    expect(await look()).toMatchObject({ held: true, oldestWaitMs: null });
    await Promise.all([first.close(), second.close()]);
  });

  it('is all of them with leases in a table too, of every kind, one by one and in a listing', async () => {
    const table = { strategy: 'table' } as const;
    const [first, second] = [createLockManager(postgres.backend(table)), createLockManager(postgres.backend(table))];
    const observer = postgres.backend(table);
    const name = newName();
    const began = performance.now();
    await first.acquire(name);
    await first.semaphore(name, { permits: 1 }).acquire();
    await first.readWriteLock(name).read.acquire();
    const leaving = new AbortController();
    const options = { signal: leaving.signal };
    const waits = [
      ...[first, first, second].map((manager) => manager.acquire(name, options)),
      second.semaphore(name, { permits: 1 }).acquire(options),
      ...[first, second].map((manager) => manager.readWriteLock(name).write.acquire(options)),
    ].map((wait) => wait.catch(() => null));
    const kinds = ['lock', 'semaphore', 'read-write'] as const;
    const counts = async (): Promise<readonly unknown[]> => {
      const states = await Promise.all(kinds.map((kind) => observer.inspect(name, kind, callOf())));
      for (const { oldestWaitMs } of states) expect(oldestWaitMs ?? 0).toBeLessThanOrEqual(performance.now() - began + 50);
      return states.map(({ waiters, oldestWaitMs }) => `${waiters} ${typeof oldestWaitMs}`);
    };
    await until('all are seen', async () => (await counts()).join() === '3 number,1 number,2 number');
    const listed = [];
    for await (const { kind, waiters } of observer.list?.(name, callOf()) ?? []) listed.push(`${kind} ${waiters}`);
    expect(listed.sort()).toEqual(['lock 3', 'read-write 2', 'semaphore 1']);
    leaving.abort();
    await Promise.all(waits);
    await until('nobody is seen to wait', async () => (await counts()).join() === '0 object,0 object,0 object');
    await Promise.all([first.close(), second.close()]);
  });

  it('stands in a table for longer with each request that is refused', async () => {
    const [holder, waiter] = [postgres.backend({ strategy: 'table' }), postgres.backend({ strategy: 'table' })];
    for (const held of [requestOf(newName()), permitsOf(newName(), 1, 1), requestOf(newName(), 'write')]) {
      await take(holder, held);
      const request = { ...held, owner: requestOf(held.name).owner };
      const listening = waiter.subscribe?.(request, () => {});
      const line = waiter.announce?.(request, () => ({ waiters: 3, oldestWaitMs: 100 }));
      const standsUntil = async (): Promise<number> => {
        const { rows } = await postgres.admin.query<{ e: number }>(
          `SELECT coalesce((SELECT max((m.value->>'e')::float8) FROM jsonb_each(holders) AS m), 0) AS e FROM holdfast.leases
           WHERE kind LIKE '%-waiters' AND name = $1`,
          [Buffer.from(held.name)],
        );
        return rows[0]?.e ?? 0;
      };
      await until('the sign has been said', async () => (await standsUntil()) > 0);
      const said = await standsUntil();
      await until('a request takes the sign along', async () => {
        expect((await attempt(waiter, request)).granted).toBe(false);
        return (await standsUntil()) > said;
      });
      line?.close();
      listening?.close();
      await free(holder, held);
    }
  });

  it('is not what a process has left in a table that died a while ago', async () => {
    const backend = postgres.backend({ strategy: 'table' });
    const held = requestOf(newName());
    await take(backend, held);
    const note = (untilMs: number): string => JSON.stringify({ dead: { n: 4, s: Date.now() - 9_000, e: Date.now() + untilMs } });
    await postgres.admin.query(
      `INSERT INTO holdfast.leases (namespace, kind, name, fence, expires_at, holders, writer_waits_until)
       VALUES ('', 'lock-waiters', $1, 0, now(), $2, '-infinity')`,
      [Buffer.from(held.name), note(60_000)],
    );
    expect((await backend.inspect(held.name, 'lock', callOf())).waiters).toBe(4);
    await postgres.admin.query(`UPDATE holdfast.leases SET holders = $2 WHERE kind = 'lock-waiters' AND name = $1`, [
      Buffer.from(held.name),
      note(-1),
    ]);
    expect(await backend.inspect(held.name, 'lock', callOf())).toMatchObject({ held: true, waiters: 0, oldestWaitMs: null });
    await free(backend, held);
  });

  it('is null where a session does not answer that has announced to wait', async () => {
    const [holder, observer] = [postgres.backend(), postgres.backend()];
    const held = requestOf(newName());
    await take(holder, held);
    // Another program's session, with the key by which ours announce themselves.
    await listener.query('select pg_advisory_lock_shared($1)', [String(keys.of('lock', held.name).announcement)]);
    expect(await observer.inspect(held.name, 'lock', callOf())).toMatchObject({ held: true, waiters: null });
    await listener.query('select pg_advisory_unlock_all()');
    expect((await observer.inspect(held.name, 'lock', callOf())).waiters).toBe(0);
  });
});
