import { randomUUID } from 'node:crypto';
import type { LockManager } from '@holdfast/core';
import { createRedisLockManager } from '@holdfast/redis';
import { type RedisServer, startRedis, until } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { FencedRegister } from './fenced-register.js';
import { Taker } from './taker.js';

const TTL_MS = 1_500;
/** What a store is asked for beyond the ttl, so that it never frees a hold before the holder has given it up. */
const GUARD_MS = 150;
/** What is documented for a holder that is gone, from its end to the next grant. */
const BOUND_MS = TTL_MS + GUARD_MS + 2_000;

let server: RedisServer;
let redis: Redis;
let observer: LockManager<bigint>;
/** The processes of the running test, and those that it may take over: a process takes most of a second of a busy machine to start. */
const busy = new Set<Taker>();
const idle: Taker[] = [];

beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
  observer = createRedisLockManager({ url: server.url });
});

afterEach(async ({ task }) => {
  const passed = task.result?.state !== 'fail';
  for (const taker of busy) {
    if (passed && !taker.hasExited) idle.push(taker);
    else await taker.process.kill();
  }
  busy.clear();
});

afterAll(async () => {
  await Promise.all(idle.map((taker) => taker.process.kill()));
  await observer.close();
  redis.disconnect();
  await server.close();
});

function rises(tokens: readonly bigint[]): boolean {
  return tokens.every((token, index) => index === 0 || token > (tokens[index - 1] ?? token));
}

/** As many processes on one new name. */
async function gather(mode: string, count: number) {
  const name = `processes-${randomUUID()}`;
  const takers = Array.from({ length: count }, () => idle.pop() ?? new Taker(server.url));
  for (const taker of takers) busy.add(taker);
  await Promise.all(takers.map((taker) => taker.ask({ to: 'join', name, mode })));
  const waiting = (waiters: number) => until(`${waiters} wait`, async () => (await observer.inspect(name)).waiters === waiters);
  return { takers, register: new FencedRegister(redis, name), name, waiting };
}

/** One process holds the lock and has written, another waits for it. */
async function gatherPair(mode: string, ttlMs: number) {
  const group = await gather(mode, 2);
  const [holder, successor] = group.takers;
  if (!holder || !successor) throw new Error('two processes were asked for');
  const { token } = await holder.ask({ to: 'acquire', ttlMs });
  expect(await holder.ask({ to: 'write', value: 1 })).toEqual({ accepted: true, value: 1, believed: true });
  const granted = successor.tell({ to: 'acquire', ttlMs });
  await group.waiting(1);
  return { ...group, holder, successor, token, granted };
}

describe.each(['plain', 'fair'])('processes on one lock, %s', (mode) => {
  test('a released lock goes to the process that waits, long before it would expire', async () => {
    const pair = await gatherPair(mode, 20_000);
    const releasedAt = performance.now();
    expect(await pair.holder.ask({ to: 'release' })).toEqual({ freed: true });
    const { token } = await pair.granted();
    expect(performance.now() - releasedAt).toBeLessThan(5_000);
    expect(token).toBeGreaterThan(pair.token);
  });

  test.each(['exits without releasing', 'is killed', 'is stopped'])('when the holder %s, the lock is free in time', async (end) => {
    const pair = await gatherPair(mode, TTL_MS);
    const { holder, successor, register } = pair;
    const lookedAt = performance.now();
    const { isHeld, remainingMs } = await holder.ask({ to: 'look' });
    expect(isHeld).toBe(true);

    const endedAt = performance.now();
    if (end === 'is stopped') holder.process.pause();
    else if (end === 'is killed') await holder.process.kill('SIGKILL');
    else holder.tell({ to: 'abandon' });

    const { token } = await pair.granted();
    const grantedAt = performance.now();
    expect(grantedAt - endedAt).toBeLessThan(BOUND_MS);
    // Not while the holder, if it still ran, would have believed in it.
    expect(grantedAt - lookedAt).toBeGreaterThanOrEqual(remainingMs);
    expect(token).toBeGreaterThan(pair.token);
    expect(await successor.ask({ to: 'write', value: 2 })).toMatchObject({ accepted: true, believed: true });

    if (end === 'is stopped') await expectLateWriterRefused(holder);
    else expect(await holder.process.exited).toEqual(end === 'is killed' ? { code: null, signal: 'SIGKILL' } : { code: 0, signal: null });

    expect(await successor.ask({ to: 'look' })).toMatchObject({ isHeld: true });
    expect(await successor.ask({ to: 'write', value: 3 })).toMatchObject({ accepted: true });
    expect(await register.entries()).toEqual([
      { token: pair.token, value: 1, writer: holder.pid },
      { token, value: 2, writer: successor.pid },
      { token, value: 3, writer: successor.pid },
    ]);
    expect(await successor.ask({ to: 'release' })).toEqual({ freed: true });
  });

  test('a process that dies while it waits holds up the others for less than its time to live', async () => {
    const { takers, waiting } = await gather(mode, 3);
    const [holder, dying, successor] = takers;
    if (!holder || !dying || !successor) throw new Error('three processes were asked for');
    await holder.ask({ to: 'acquire', ttlMs: 20_000 });
    dying.tell({ to: 'acquire', ttlMs: 20_000 });
    await waiting(1);
    const granted = successor.tell({ to: 'acquire', ttlMs: 20_000 });
    await waiting(2);
    await dying.process.kill('SIGKILL');
    const releasedAt = performance.now();
    await holder.ask({ to: 'release' });
    await granted();
    expect(performance.now() - releasedAt).toBeLessThan(5_000);
  });

  test('a counter that is read and written in two steps ends at the exact sum', async () => {
    const group = await gather(mode, 4);
    const answers = await Promise.all(group.takers.map((taker) => taker.ask({ to: 'count', times: 25 })));
    expect(Number(await redis.get(`{${group.name}}:counter`))).toBe(100);
    expect(answers.every(({ tokens }) => rises(tokens))).toBe(true);
    expect(new Set(answers.flatMap(({ tokens }) => tokens)).size).toBe(100);
  });

  test('the register counts every accepted write once, though one process is killed and another stopped on the way', async () => {
    const { takers, register } = await gather(mode, 4);
    const [killed, stopped] = takers;
    if (!killed || !stopped) throw new Error('four processes were asked for');
    // The one would never end, and the other not before it is stopped.
    const times = [1_000_000, 100, 30, 30];
    const answers = takers.map((taker, index) => taker.tell({ to: 'count-fenced', times: times[index] ?? 0, ttlMs: TTL_MS }));
    await until('all of them count', async () => new Set((await register.entries()).map(({ writer }) => writer)).size === 4);
    stopped.process.pause();
    await killed.process.kill('SIGKILL');
    await Promise.all(answers.slice(2).map((answer) => answer()));
    stopped.process.continue();
    await answers[1]?.();

    const entries = await register.entries();
    expect(entries.map(({ value }) => value)).toEqual(entries.map((_, index) => index + 1));
    expect(rises(entries.map(({ token }) => token))).toBe(true);
    const counts = takers.map(({ pid }) => entries.filter(({ writer }) => writer === pid).length);
    expect(counts).toEqual([expect.any(Number), ...times.slice(1)]);
  });
});

/** What a process that was stopped beyond its ttl meets when it goes on. */
async function expectLateWriterRefused(holder: Taker): Promise<void> {
  // Notified while it is stopped, so that it is the first thing that it does.
  const written = holder.tell({ to: 'write', value: 99 });
  holder.process.continue();
  expect(await written()).toEqual({ accepted: false, value: 2, believed: false });
  const { reason } = await holder.ask({ to: 'await-loss' });
  expect(['deadline', 'taken']).toContain(reason);
  expect(await holder.ask({ to: 'look' })).toEqual({ isHeld: false, remainingMs: 0 });
  // Nor does its late release free what is another's now.
  expect(await holder.ask({ to: 'release' })).toEqual({ freed: false });
}
