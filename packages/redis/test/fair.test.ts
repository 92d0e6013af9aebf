import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import type { LockBackend } from '@holdfast/core';
import { attempt, callOf, free, newName, permitsOf, requestOf, take } from '@holdfast/test/backend';
import { until } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { standIn, useRedis, waitersOf } from './redis-harness.js';

const redis = useRedis();

const fair = (): LockBackend<bigint> => redis.backend({ fair: true });

describe('the fair queue', () => {
  it('grants at once when nobody holds it, with a stamp taken before', async () => {
    const before = performance.now();
    const grant = await standIn(fair(), requestOf(newName()));
    expect(grant.stamp?.now).toBeGreaterThanOrEqual(before);
    expect(grant.stamp?.now).toBeLessThanOrEqual(performance.now());
  });

  it('grants in the order of arrival over several managers, with a fresh stamp and rising tokens', async () => {
    const backends = [fair(), fair(), fair()];
    const name = newName();
    const held = requestOf(name);
    const first = await take(backends[0] as LockBackend<bigint>, held);
    const order: number[] = [];
    let last = first.fencingToken;
    const waits: Promise<void>[] = [];
    for (let i = 0; i < 24; i++) {
      const backend = backends[i % 3] as LockBackend<bigint>;
      const request = requestOf(name);
      const wait = standIn(backend, request).then(async (grant) => {
        order.push(i);
        expect(grant.fencingToken).toBeGreaterThan(last);
        expect(performance.now() - (grant.stamp?.now ?? 0)).toBeLessThan(2000);
        last = grant.fencingToken;
        expect(await free(backend, request)).toBe(true);
      });
      waits.push(wait);
      await until(`waiter ${i} stands in the queue`, async () => (await waitersOf(backend, name)) === i + 1);
    }
    await free(backends[0] as LockBackend<bigint>, held);
    await Promise.all(waits);
    expect(order).toEqual(Array.from({ length: 24 }, (_, i) => i));
    await until('nothing is left', async () => (await redis.admin.keys(`*${name}*`)).length === 0);
  });

  it('is busy for those who only try, also of a plain manager, while somebody waits', async () => {
    const backend = fair();
    const plain = redis.backend();
    const name = newName();
    const held = requestOf(name);
    await take(backend, held);
    const request = requestOf(name);
    const wait = standIn(backend, request);
    await until('it waits', async () => (await waitersOf(backend, name)) === 1);
    // Ended behind everybody's back: free, but not for those who have not waited.
    await redis.admin.del(`holdfast:${name}`);
    expect((await attempt(plain, requestOf(name))).granted).toBe(false);
    await wait;
    expect((await attempt(plain, requestOf(name))).granted).toBe(false);
    await free(backend, request);
    await take(plain, requestOf(name));
  });

  it('is handed on by plain managers, forced releases and expiry', async () => {
    const backend = fair();
    const plain = redis.backend();
    const name = newName();
    const held = requestOf(name);
    await take(plain, held);
    const requests = [requestOf(name), requestOf(name), requestOf(name, 'exclusive', { ttlMs: 200 }), requestOf(name)];
    const waits = [];
    for (const [i, request] of requests.entries()) {
      waits.push(standIn(backend, request));
      await until('it waits', async () => (await waitersOf(backend, name)) === i + 1);
    }
    await free(plain, held);
    await waits[0];
    expect(await plain.forceRelease(name, 'lock', callOf())).toBe(true);
    await waits[1];
    await free(backend, requests[1] ?? held);
    await waits[2];
    // Expires: nobody tells, so it takes until a manager says that it is alive.
    const start = performance.now();
    await waits[3];
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it('lets a waiter leave, and passes on the turn that it had', async () => {
    const backend = fair();
    const name = newName();
    const held = requestOf(name);
    await take(backend, held);
    const leaving = new AbortController();
    const first = standIn(backend, requestOf(name), leaving.signal);
    await until('it waits', async () => (await waitersOf(backend, name)) === 1);
    const nextRequest = requestOf(name);
    const second = standIn(backend, nextRequest);
    await until('both wait', async () => (await waitersOf(backend, name)) === 2);
    // The turn and the end at the same moment.
    const freed = free(backend, held);
    leaving.abort(new Error('enough'));
    await expect(first).rejects.toThrow('enough');
    await freed;
    await second;
    expect(await waitersOf(backend, name)).toBe(0);
    await free(backend, nextRequest);
    await until('nothing is left', async () => (await redis.admin.keys(`*${name}*`)).length === 0);
  });

  it('leaves a hold alone when the message of its turn comes late', async () => {
    const backend = fair();
    for (const request of [requestOf(newName()), requestOf(newName(), 'read'), requestOf(newName(), 'write'), permitsOf(newName(), 2, 2)]) {
      await standIn(backend, request);
      for (const channel of (await redis.admin.pubsub('CHANNELS', 'holdfast.wake:*')) as string[]) {
        await redis.admin.publish(channel, `${request.owner.slice(0, 16)}|1|${Date.now()}`);
        await redis.admin.publish(channel, `${request.owner}|holdfast:${request.name}`);
      }
      // Nothing is to happen.
      await sleep(30);
      expect(await backend.renew([{ ...request, ttlMs: 20_000 }], callOf())).toEqual([true]);
    }
  });

  it('is left by an owner that is released while it waits', async () => {
    const backend = fair();
    const name = newName();
    const held = requestOf(name);
    await take(backend, held);
    const [leaving, next] = [requestOf(name), requestOf(name)];
    const left = standIn(backend, leaving);
    await until('it waits', async () => (await waitersOf(backend, name)) === 1);
    const wait = standIn(backend, next);
    await until('both wait', async () => (await waitersOf(backend, name)) === 2);
    expect(await free(backend, leaving)).toBe(false);
    await expect(left).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    expect(await waitersOf(backend, name)).toBe(1);
    await free(backend, held);
    await wait;
  });

  it('is left by many at once without a turn being lost', async () => {
    const backend = fair();
    const name = newName();
    const held = requestOf(name);
    await take(backend, held);
    const leaving = new AbortController();
    setMaxListeners(0, leaving.signal);
    const left = Array.from({ length: 30 }, () => standIn(backend, requestOf(name), leaving.signal).catch(() => 'left'));
    const last = standIn(fair(), requestOf(name));
    await until('all wait', async () => (await waitersOf(backend, name)) === 31);
    void free(backend, held);
    setTimeout(() => leaving.abort(), 3);
    await Promise.all(left);
    // The one who was granted in between has left without a release: as a killed process would.
    await until('the last one gets it', async () => {
      await backend.forceRelease(name, 'lock', callOf());
      return Promise.race([last.then(() => true), sleep(20).then(() => false)]);
    });
  });

  it.each(['its connection has ended', 'its connection stands'])('goes past the waiters of a dead manager while %s', async (how) => {
    const [holder, dead, alive] = [fair(), fair(), fair()];
    const name = newName();
    const held = requestOf(name);
    await take(holder, held);
    const abandoned = Array.from({ length: 20 }, () => standIn(dead, requestOf(name)).catch(() => {}));
    await until('they wait', async () => (await waitersOf(holder, name)) === 20);
    const wait = standIn(alive, requestOf(name));
    await until('all wait', async () => (await waitersOf(holder, name)) === 21);
    // What the server knows of a process that was killed or stopped: it says nothing more, but its places stand. close()
    // takes them away, so they are put back.
    const key = (await redis.admin.keys(`*lock-waiters*${name}`))[0] ?? '';
    const places = await redis.admin.dumpBuffer(key);
    await dead.close();
    await Promise.all(abandoned);
    await redis.admin.restore(key, 3000, places, 'REPLACE');
    const ear = redis.admin.duplicate();
    if (how === 'its connection stands') await ear.psubscribe('holdfast.wake:*');
    await free(holder, held);
    // That nobody heard proves nothing: only its own silence costs a manager its places.
    const leftMs = await redis.admin.pttl(`holdfast:${name}`);
    expect(leftMs).toBeGreaterThan(0);
    expect(leftMs).toBeLessThanOrEqual(1980);
    const start = performance.now();
    await wait;
    // The next one asks as soon as that has ended, which a busy machine may do a little later.
    expect(performance.now() - start).toBeLessThan(leftMs + 1000);
    ear.disconnect();
  });

  it('keeps the places over a broken connection', async () => {
    const [holder, waiter] = [fair(), fair()];
    const name = newName();
    const held = requestOf(name);
    await take(holder, held);
    const order: number[] = [];
    const waits = [];
    for (let i = 0; i < 5; i++) {
      const request = requestOf(name);
      waits.push(
        standIn(waiter, request).then(async () => {
          order.push(i);
          await free(waiter, request);
        }),
      );
      await until('it waits', async () => (await waitersOf(holder, name)) === i + 1);
    }
    await redis.admin.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    await redis.admin.client('KILL', 'TYPE', 'pubsub');
    await until('the holder can free it', async () => free(holder, held).catch(() => false));
    await Promise.all(waits);
    expect(order).toEqual([0, 1, 2, 3, 4]);
  });

  it('takes all places again, in their order, when the manager was thought dead', async () => {
    const [holder, slow] = [fair(), fair()];
    const name = newName();
    const held = requestOf(name);
    await take(holder, held);
    const order: number[] = [];
    const waits = [];
    for (let i = 0; i < 6; i++) {
      const backend = i === 3 ? holder : slow;
      const request = requestOf(name);
      waits.push(
        standIn(backend, request).then(async () => {
          order.push(i);
          await free(backend, request);
        }),
      );
      await until('it waits', async () => (await waitersOf(holder, name)) === i + 1);
    }
    // Dropped, as after seconds of silence.
    const key = (await redis.admin.keys(`*lock-waiters*${name}`))[0] ?? '';
    for (const member of await redis.admin.zrange(key, 0, -1)) if (!/^[0-9a-f]{32}:/.test(member)) await redis.admin.zrem(key, member);
    const late = standIn(slow, requestOf(name));
    await until('all are back', async () => (await waitersOf(holder, name)) === 7);
    const areAlive = async (): Promise<number> =>
      (await redis.admin.zrange(key, 0, -1)).filter((member) => /^f[0-9a-f]{16}$/.test(member)).length;
    await until('both managers are known to be alive', async () => (await areAlive()) === 2);
    await free(holder, held);
    await Promise.all(waits);
    await late;
    expect(order).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('costs little while nothing happens', async () => {
    const backends = [fair(), fair(), fair(), fair()];
    const name = newName();
    const held = requestOf(name, 'exclusive', { ttlMs: 60_000 });
    await take(backends[0] as LockBackend<bigint>, held);
    const leaving = new AbortController();
    setMaxListeners(0, leaving.signal);
    const waits = backends.flatMap((backend) =>
      Array.from({ length: 250 }, () => standIn(backend, requestOf(name), leaving.signal).catch(() => {})),
    );
    await until('all wait', async () => (await waitersOf(backends[0] as LockBackend<bigint>, name)) === 1000);
    await redis.admin.config('RESETSTAT');
    await sleep(3000);
    const calls = Number(/cmdstat_evalsha:calls=(\d+)/.exec(await redis.admin.info('commandstats'))?.[1] ?? 0);
    expect(calls).toBeLessThan(30);
    leaving.abort();
    await Promise.all(waits);
    await free(backends[0] as LockBackend<bigint>, held);
    await until('nothing is left', async () => (await redis.admin.keys(`*${name}*`)).length === 0);
  });
});

describe('the fair queue of permits', () => {
  it('grants weighted permits in order, several at once where they fit', async () => {
    const backend = fair();
    const name = newName();
    const held = permitsOf(name, 5, 5);
    await take(backend, held);
    const granted: number[] = [];
    const requests = [3, 2, 4, 1].map((permits) => permitsOf(name, permits, 5));
    const waits = [];
    for (const [i, request] of requests.entries()) {
      waits.push(standIn(backend, request).then(() => granted.push(i)));
      await until('it waits', async () => (await waitersOf(backend, name, 'semaphore')) === i + 1);
    }
    await free(backend, held);
    await Promise.all([waits[0], waits[1]]);
    // The third does not fit, and the fourth does not overtake it.
    expect(granted).toHaveLength(2);
    expect(await waitersOf(backend, name, 'semaphore')).toBe(2);
    await free(backend, requests[0] ?? held);
    expect(granted).toHaveLength(2);
    await free(backend, requests[1] ?? held);
    await Promise.all(waits);
  });
});

describe('the fair queue of readers and writers', () => {
  it('lets readers in together and keeps everybody in order', async () => {
    const backend = fair();
    const name = newName();
    const held = requestOf(name, 'write');
    await take(backend, held);
    const modes = ['read', 'read', 'write', 'read'] as const;
    const requests = modes.map((mode) => requestOf(name, mode));
    const granted: number[] = [];
    const waits = [];
    for (const [i, request] of requests.entries()) {
      waits.push(standIn(backend, request).then(() => granted.push(i)));
      await until('it waits', async () => (await waitersOf(backend, name, 'read-write')) === i + 1);
    }
    await free(backend, held);
    await Promise.all([waits[0], waits[1]]);
    expect([...granted].sort((a, b) => a - b)).toEqual([0, 1]);
    expect((await attempt(backend, requestOf(name, 'read'))).granted).toBe(false);
    await backend.release([requests[0] ?? held, requests[1] ?? held], callOf());
    await waits[2];
    await free(backend, requests[2] ?? held);
    await waits[3];
  });
});
