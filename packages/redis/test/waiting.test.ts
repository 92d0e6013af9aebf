import { setTimeout as sleep } from 'node:timers/promises';
import { createLockManager, type HoldRequest, type LockBackend } from '@holdfast/core';
import { createRedisLockManager } from '@holdfast/redis';
import { attempt, callOf, free, type Granted, newName, permitsOf, requestOf, take } from '@holdfast/test/backend';
import { until } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { standIn, useRedis, waitersOf } from './redis-harness.js';

const redis = useRedis();

/** For so long the server keeps, at most, what the first place of a dead manager is granted. */
const DEAD_HAS_MS = 1980;
/** The server counts in whole milliseconds of its own clock, and what waiters have said in others. */
const WHOLE_MS = 5;

/** A place in the queue, and what has become of it. */
async function place(backend: LockBackend<bigint>, request: HoldRequest, signal?: AbortSignal) {
  const kind = request.mode === 'permits' ? 'semaphore' : request.mode === 'exclusive' ? 'lock' : 'read-write';
  const before = (await waitersOf(backend, request.name, kind)) ?? 0;
  const outcome: { granted: Granted | null } = { granted: null };
  const ended = standIn(backend, request, signal).then((granted) => {
    outcome.granted = granted;
    return granted;
  });
  ended.catch(() => {});
  await until('it stands in the queue', async () => (await waitersOf(backend, request.name, kind)) === before + 1);
  return { backend, request, ended, outcome };
}

async function channelOf(): Promise<string> {
  const [channel = ''] = (await redis.admin.pubsub('CHANNELS', 'holdfast.wake:*')) as string[];
  return channel;
}

describe('waiting of plain managers', () => {
  it('ends with a release, a forced release, and a release by an owner that holds nothing', async () => {
    const [holder, waiter] = [redis.backend(), redis.backend()];
    const name = newName();
    for (const end of ['release', 'forced', 'undo'] as const) {
      const held = requestOf(name);
      await take(holder, held);
      const { request, ended } = await place(waiter, requestOf(name));
      if (end === 'release') await free(holder, held);
      if (end === 'forced') await holder.forceRelease(name, 'lock', callOf());
      if (end === 'undo') {
        await redis.admin.del(`holdfast:${name}`);
        expect(await free(holder, requestOf(name))).toBe(false);
      }
      await ended;
      expect(await free(waiter, request)).toBe(true);
    }
  });

  it('is by one message: the grant counts from a sign of life that was sent before, and stands until it is confirmed', async () => {
    const [holder, waiter] = [redis.backend(), redis.backend()];
    const held = requestOf(newName());
    await take(holder, held);
    const { request, ended } = await place(waiter, requestOf(held.name));
    await redis.admin.config('RESETSTAT');
    await free(holder, held);
    const granted = await ended;
    expect(granted.forMs).toBe(1800);
    expect(granted.stamp?.now).toBeLessThan(performance.now());
    // The release, and nothing of the waiter's.
    const scripts = (await redis.admin.info('commandstats')).matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g);
    expect(Math.max(...Array.from(scripts, ([, calls]) => Number(calls)))).toBe(1);
    const left = await redis.admin.pttl(`holdfast:${held.name}`);
    expect(left).toBeLessThanOrEqual(1980);
    // By both clocks alike, the server keeps it for longer than its holder believes.
    expect(left).toBeGreaterThan(1800 - (performance.now() - (granted.stamp?.now ?? 0)));
    expect(await waiter.renew([{ ...request, ttlMs: 20_000 }], callOf())).toEqual([true]);
    expect(await redis.admin.pttl(`holdfast:${held.name}`)).toBeGreaterThan(10_000);
  });

  it('asks first where its time to live is shorter than that', async () => {
    const [holder, waiter] = [redis.backend(), redis.backend()];
    const held = requestOf(newName());
    await take(holder, held);
    const { ended } = await place(waiter, requestOf(held.name, 'exclusive', { ttlMs: 700 }));
    await free(holder, held);
    expect((await ended).forMs).toBeUndefined();
    expect(await redis.admin.pttl(`holdfast:${held.name}`)).toBeLessThanOrEqual(700);
  });

  it('bears messages that are garbled, late, doubled, of another version, or for one that has gone', async () => {
    const [holder, waiter] = [redis.backend(), redis.backend()];
    const held = requestOf(newName());
    await take(holder, held);
    const { request, ended, outcome } = await place(waiter, requestOf(held.name));
    const channel = await channelOf();
    const [member = ''] = await redis.admin.zrangebyscore(`${await waitersKey(held.name)}`, 100_000_000_000_000, '+inf');
    const ticket = member.split(':')[1] ?? '';
    const texts = [
      '',
      ticket,
      `${ticket}|`,
      `${ticket}|x|y`,
      `${ticket}|1`,
      `${ticket}|-1|1`,
      `${ticket}|1|1|1`,
      `${request.owner}|holdfast:${held.name}`,
    ];
    for (const text of [...texts, `${'f'.repeat(16)}|1|${Date.now()}`]) await redis.admin.publish(channel, text);
    // The one who may only publish cannot forge a grant: it names no sign of life that this manager knows, so the waiter asks.
    await redis.admin.publish(channel, `${ticket}|1|${Date.now() - 5_000}`);
    await sleep(50);
    expect(outcome.granted).toBeNull();
    await free(holder, held);
    const granted = await ended;
    const seen = Date.now();
    for (const text of [`${ticket}|${granted.fencingToken}|${seen}`, `${ticket}|1|1`]) await redis.admin.publish(channel, text);
    await sleep(50);
    expect(await waiter.renew([{ ...request, ttlMs: 20_000 }], callOf())).toEqual([true]);
    expect(await free(waiter, request)).toBe(true);
  });

  it('never shows an owner token to those who may only listen', async () => {
    const [holder, waiter] = [redis.backend(), redis.backend()];
    const held = requestOf(newName());
    await take(holder, held);
    const { request, ended } = await place(waiter, requestOf(held.name));
    const ear = redis.admin.duplicate();
    const heard: string[] = [];
    ear.on('pmessage', (_pattern, _channel, text: string) => heard.push(text));
    await ear.psubscribe('*');
    await free(holder, held);
    await ended;
    await until('it is heard', () => heard.length > 0);
    expect(heard.join()).not.toContain(request.owner);
    expect(heard.join()).not.toContain(held.owner);
    ear.disconnect();
  });

  it('takes its place along when it ends, and gives back what it was granted at that moment', async () => {
    const [holder, waiter, last] = [redis.backend(), redis.backend(), redis.backend()];
    const held = requestOf(newName());
    await take(holder, held);
    const leaving = new AbortController();
    const { ended } = await place(waiter, requestOf(held.name), leaving.signal);
    const behind = await place(last, requestOf(held.name));
    const freed = free(holder, held);
    leaving.abort(new Error('enough'));
    await expect(ended).rejects.toThrow('enough');
    await freed;
    await behind.ended;
    expect(await waitersOf(holder, held.name)).toBe(0);
  });

  it('is over a broken channel: what was missed is heard with the next sign of life', async () => {
    const [holder, waiter] = [redis.backend(), redis.backend()];
    const held = requestOf(newName());
    await take(holder, held);
    const { ended } = await place(waiter, requestOf(held.name));
    await redis.admin.client('KILL', 'TYPE', 'pubsub');
    await free(holder, held);
    const start = performance.now();
    await ended;
    expect(performance.now() - start).toBeLessThan(1500);
  });

  it('goes past a manager that has died within 2 s, with all places that it had', async () => {
    const [holder, dead, alive] = [redis.backend(), redis.backend({ fair: true }), redis.backend()];
    const held = requestOf(newName());
    await take(holder, held);
    const abandoned = [];
    for (let i = 0; i < 3; i++) abandoned.push((await place(dead, requestOf(held.name))).ended.catch(() => {}));
    const { ended } = await place(alive, requestOf(held.name));
    const key = await waitersKey(held.name);
    const places = await redis.admin.dumpBuffer(key);
    await dead.close();
    await Promise.all(abandoned);
    await redis.admin.restore(key, 3000, places, 'REPLACE');
    await free(holder, held);
    const leftMs = await redis.admin.pttl(`holdfast:${held.name}`);
    expect(leftMs).toBeLessThanOrEqual(DEAD_HAS_MS);
    const start = performance.now();
    await ended;
    // The next one asks as soon as that has ended, which a busy machine may do a little later.
    expect(performance.now() - start).toBeLessThan(leftMs + 1000);
  });

  it('costs less than one command a second, for all names of a manager together', async () => {
    const [holder, waiter] = [redis.backend(), redis.backend()];
    const held = Array.from({ length: 20 }, () => requestOf(newName()));
    await holder.attempt(held, callOf());
    const leaving = new AbortController();
    const waits = [];
    for (const { name } of held) waits.push((await place(waiter, requestOf(name), leaving.signal)).ended.catch(() => {}));
    const begun = performance.now();
    await redis.admin.config('RESETSTAT');
    await sleep(4000);
    const calls = Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.admin.info('commandstats'))?.[1] ?? 0);
    // The time between the first and the last of them is what counts: a busy machine looks later.
    expect(calls - 1).toBeLessThan((performance.now() - begun) / 1000);
    leaving.abort(new Error('enough'));
    await Promise.all(waits);
  });

  it('leaves no key behind', async () => {
    const [holder, waiter] = [redis.backend(), redis.backend()];
    const held = requestOf(newName());
    await take(holder, held);
    const { request, ended } = await place(waiter, requestOf(held.name));
    await free(holder, held);
    await ended;
    await free(waiter, request);
    expect(await redis.admin.keys(`*${held.name}*`)).toEqual([]);
  });
});

describe('handing on to a waiter of the same manager', () => {
  const handOn = async (backend: LockBackend<bigint>, from: HoldRequest, next: HoldRequest) =>
    (await backend.release([{ ...from, next }], callOf()))[0] as { wasOurs: boolean; isFinal: boolean; next?: Granted | null };

  it('goes on while nobody else waits, and for 100 ms in a row while somebody does', async () => {
    const [mine, theirs] = [redis.backend(), redis.backend()];
    const name = newName();
    let held = requestOf(name);
    let { fencingToken } = await take(mine, held);
    const pass = async (): Promise<boolean> => {
      const next = requestOf(name);
      const answer = await handOn(mine, held, next);
      expect(answer).toMatchObject({ wasOurs: true, isFinal: true });
      if (answer.next?.granted !== true) return false;
      expect(answer.next.fencingToken).toBeGreaterThan(fencingToken);
      ({ fencingToken } = answer.next);
      held = next;
      return true;
    };
    const alone = performance.now();
    while (performance.now() - alone < 300) expect(await pass()).toBe(true);
    const { ended } = await place(theirs, requestOf(name));
    const start = performance.now();
    while (await pass()) expect(performance.now() - start).toBeLessThan(2000);
    expect(performance.now() - start).toBeGreaterThanOrEqual(99);
    await ended;
  });

  it('is for the holder alone, and lets readers in with the one that follows', async () => {
    const [mine, theirs] = [redis.backend(), redis.backend()];
    const name = newName();
    const held = requestOf(name, 'write');
    await take(mine, held);
    const stranger = await handOn(mine, requestOf(name, 'write'), requestOf(name, 'read'));
    expect(stranger).toMatchObject({ wasOurs: false, next: { granted: false } });
    const { ended } = await place(theirs, requestOf(name, 'read'));
    const reader = requestOf(name, 'read');
    expect((await handOn(mine, held, reader)).next?.granted).toBe(true);
    await ended;
    expect(await free(mine, reader)).toBe(true);
  });

  it('grants no writer while readers of another manager stay', async () => {
    const [mine, theirs] = [createLockManager(redis.backend()), createLockManager(redis.backend())];
    const name = newName();
    const [leaving, staying] = [await mine.readWriteLock(name).read.acquire(), await theirs.readWriteLock(name).read.acquire()];
    const controller = new AbortController();
    const first = mine
      .readWriteLock(name)
      .write.acquire({ signal: controller.signal })
      .catch(() => 'left');
    const second = mine.readWriteLock(name).write.acquire({ waitMs: 10_000 });
    await until('a writer waits', async () => ((await theirs.readWriteLock(name).inspect()).waiters ?? 0) > 0);
    // In one turn: the second is in front, and has not asked yet.
    controller.abort();
    const released = leaving.release();
    expect(await first).toBe('left');
    expect(await released).toBe(true);
    await until('the second waits', async () => {
      const { waiters, holders } = await theirs.readWriteLock(name).inspect();
      expect(holders.map(({ mode }) => mode)).toEqual(['read']);
      return (waiters ?? 0) > 0;
    });
    expect(await staying.release()).toBe(true);
    await (await second).release();
    await Promise.all([mine.close(), theirs.close()]);
  });

  it('frees by a command of its own what the server refused to hand on because it has no memory left', async () => {
    const backend = redis.backend();
    const [held, next] = [requestOf(newName()), { ...requestOf('') }];
    await take(backend, held);
    await redis.admin.config('SET', 'maxmemory', '1');
    const asked = handOn(backend, held, { ...next, name: held.name });
    const [answer] = await Promise.allSettled([asked]);
    await redis.admin.config('SET', 'maxmemory', '0');
    expect(answer).toMatchObject({ value: { wasOurs: true, next: { granted: false, isFinal: false } } });
    expect(await backend.inspect(held.name, 'lock', callOf())).toMatchObject({ held: false });
    // The same connection serves on.
    await take(backend, { ...next, name: held.name });
    expect(await free(backend, { ...next, name: held.name })).toBe(true);
  });
});

describe('waiting permits', () => {
  it('are granted in order, as many as fit; a large one holds back smaller ones behind it', async () => {
    const holder = redis.backend();
    const name = newName();
    const held = permitsOf(name, 4, 4);
    await take(holder, held);
    const [one, four, two] = [
      await place(redis.backend(), permitsOf(name, 1, 4)),
      await place(redis.backend(), permitsOf(name, 4, 4)),
      await place(redis.backend(), permitsOf(name, 2, 4)),
    ];
    await free(holder, held);
    await one?.ended;
    await sleep(30);
    expect([four?.outcome.granted, two?.outcome.granted]).toEqual([null, null]);
    await free(one.backend, one.request);
    await four?.ended;
    await free(four.backend, four.request);
    await two?.ended;
  });

  it('are granted together where several fit', async () => {
    const holder = redis.backend();
    const name = newName();
    const held = permitsOf(name, 4, 4);
    await take(holder, held);
    const waiting = [await place(redis.backend(), permitsOf(name, 1, 4)), await place(redis.backend(), permitsOf(name, 3, 4))];
    await free(holder, held);
    await Promise.all(waiting.map(({ ended }) => ended));
  });

  it('pass on what remains when one is granted', async () => {
    const [holder, waiter] = [redis.backend(), redis.backend()];
    const name = newName();
    await take(holder, permitsOf(name, 3, 3));
    const { ended } = await place(waiter, permitsOf(name, 1, 3));
    // Freed behind everybody's back, so nobody is notified.
    await redis.admin.del(...(await redis.admin.keys(`holdfast.{*}:permits:holdfast:${name}`)));
    await attempt(holder, permitsOf(name, 1, 3));
    await ended;
  });
});

describe('waiting readers and writers', () => {
  it('a waiting writer holds back new readers until it gives up', async () => {
    const [backend, writers] = [redis.backend(), redis.backend()];
    const name = newName();
    await take(backend, requestOf(name, 'read'));
    const leaving = new AbortController();
    const { ended } = await place(writers, requestOf(name, 'write'), leaving.signal);
    expect((await attempt(backend, requestOf(name, 'read'))).granted).toBe(false);
    const reader = await place(backend, requestOf(name, 'read'));
    leaving.abort(new Error('enough'));
    await ended.catch(() => {});
    await reader.ended;
    await take(backend, requestOf(name, 'read'));
  });

  it('a writer that only tries holds nobody back', async () => {
    const backend = redis.backend();
    const name = newName();
    await take(backend, requestOf(name, 'read'));
    expect((await attempt(backend, requestOf(name, 'write'))).granted).toBe(false);
    await take(backend, requestOf(name, 'read'));
  });

  it('all readers in front of a writer are granted together, and those behind it wait', async () => {
    const holder = redis.backend();
    const name = newName();
    const held = requestOf(name, 'write');
    await take(holder, held);
    const readers = [await place(redis.backend(), requestOf(name, 'read')), await place(redis.backend(), requestOf(name, 'read'))];
    const writer = await place(redis.backend(), requestOf(name, 'write'));
    const late = await place(redis.backend(), requestOf(name, 'read'));
    await free(holder, held);
    await Promise.all(readers.map(({ ended }) => ended));
    await sleep(30);
    expect([writer.outcome.granted, late.outcome.granted]).toEqual([null, null]);
    for (const { backend, request } of readers) await free(backend, request);
    await writer.ended;
    await free(writer.backend, writer.request);
    await late.ended;
  });
});

/** The key under which those who wait for a lock stand. */
async function waitersKey(name: string): Promise<string> {
  return (await redis.admin.keys(`*lock-waiters:*${name}`))[0] ?? '';
}

describe('the line of a plain manager', () => {
  it('is seen from outside a second later, with the age of its first waiter and without a command for each', async () => {
    const manager = createRedisLockManager({ url: redis.server.url });
    const observer = redis.backend();
    const name = newName();
    const asked = performance.now();
    const hold = await manager.acquire(name);
    const granted = performance.now();
    const leaving = new AbortController();
    const waits = Array.from({ length: 20 }, () => manager.acquire(name, { signal: leaving.signal }).catch(() => null));
    const look = () => observer.inspect(name, 'lock', callOf());
    await until('all of them are seen', async () => (await look()).waiters === 20);
    const looked = performance.now();
    const { oldestWaitMs, holders } = await look();
    const seen = performance.now();
    expect(oldestWaitMs).toBeGreaterThan(0);
    expect(oldestWaitMs).toBeLessThanOrEqual(seen - granted + WHOLE_MS);
    expect(holders[0]?.heldMs).toBeGreaterThanOrEqual(looked - granted - WHOLE_MS);
    expect(holders[0]?.heldMs).toBeLessThanOrEqual(seen - asked + WHOLE_MS);
    leaving.abort();
    await Promise.all(waits);
    await until('nobody is seen to wait', async () => (await look()).waiters === 0);
    await hold.release();
    await until('nothing is left', async () => (await redis.admin.keys(`*${name}*`)).length === 0);
    await manager.close();
  });

  it('keeps its count when the lock goes from one of its tasks to the next', async () => {
    const manager = createRedisLockManager({ url: redis.server.url });
    const observer = redis.backend();
    const name = newName();
    const hold = await manager.acquire(name);
    const waits = Array.from({ length: 4 }, () => manager.acquire(name));
    const waiters = async () => (await observer.inspect(name, 'lock', callOf())).waiters;
    await until('four are seen', async () => (await waiters()) === 4);
    await hold.release();
    // Until its next sign of life the store knows no better.
    expect([3, 4]).toContain(await waiters());
    await until('three are seen', async () => (await waiters()) === 3);
    for (const wait of waits) await (await wait).release();
    await until('nobody is seen to wait', async () => (await waiters()) === 0);
    await manager.close();
  });

  it('counts what waits in the queue of a process that is gone no longer than its signs of life', async () => {
    const [holder, waiter, observer] = [redis.backend(), redis.backend(), redis.backend()];
    const held = requestOf(newName());
    await take(holder, held);
    const { request } = await place(waiter, requestOf(held.name));
    expect(await waitersOf(observer, held.name)).toBe(1);
    const waiters = (await redis.admin.keys(`*lock-waiters*${held.name}`))[0] ?? '';
    // Until it says once more that it is there, which may come in between.
    await until('it is not counted', async () => {
      const signs = (await redis.admin.zrange(waiters, 0, -1)).filter((member) => member.startsWith('f'));
      if (signs.length > 0) await redis.admin.zrem(waiters, ...signs);
      return (await waitersOf(observer, held.name)) === 0;
    });
    await free(waiter, request);
  });
});
