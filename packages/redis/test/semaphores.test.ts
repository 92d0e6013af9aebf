import { until } from '@holdfast/test/servers';
import { attempt, callOf, free, newName, permitsOf, requestOf, take } from '@holdfast/test/backend';
import { describe, expect, it } from 'vitest';
import { useRedis } from './redis-harness.js';

const redis = useRedis();

describe('permits', () => {
  it('are granted up to the limit and never over it, whatever their weights', async () => {
    const backend = redis.backend();
    const peer = redis.backend();
    const name = newName();
    const [three, two] = [permitsOf(name, 3, 5), permitsOf(name, 2, 5)];
    await take(backend, three);
    expect((await attempt(peer, permitsOf(name, 3, 5))).granted).toBe(false);
    await take(peer, two);
    const busy = await attempt(backend, permitsOf(name, 1, 5));
    expect(!busy.granted && busy.remainingMs).toBeGreaterThan(5000);
    expect(await free(backend, two)).toBe(true);
    expect(await free(backend, two)).toBe(false);
    await take(backend, permitsOf(name, 2, 5));
    expect((await attempt(backend, permitsOf(name, 1, 5))).granted).toBe(false);
  });

  it('of one holder expire by the server clock, not with those of another', async () => {
    const backend = redis.backend();
    const name = newName();
    await take(backend, permitsOf(name, 1, 2, { ttlMs: 100 }));
    const long = permitsOf(name, 1, 2, { ttlMs: 60_000 });
    await take(backend, long);
    await until('the short one has expired', async () => (await attempt(backend, permitsOf(name, 1, 2, { ttlMs: 60_000 }))).granted);
    expect((await attempt(backend, permitsOf(name, 1, 2))).granted).toBe(false);
    expect(await backend.renew([{ ...long, ttlMs: 1000 }], callOf())).toEqual([true]);
    const state = await backend.inspect(name, 'semaphore', callOf());
    expect(state.holders).toHaveLength(2);
    expect(Math.min(...state.holders.map(({ remainingMs }) => remainingMs ?? 0))).toBeGreaterThan(30_000);
  });

  it('are renewed, and tell who is too late', async () => {
    const backend = redis.backend();
    const request = permitsOf(newName(), 3, 4, { ttlMs: 1500 });
    await take(backend, request);
    expect(await backend.renew([{ ...request, ttlMs: 1600 }], callOf())).toEqual([true]);
    await until('it has expired', async () => (await backend.inspect(request.name, 'semaphore', callOf())).holders.length === 0);
    expect(await backend.renew([{ ...request, ttlMs: 600 }], callOf())).toEqual([false]);
    expect(await free(backend, request)).toBe(false);
  });

  it('may be very many', async () => {
    const backend = redis.backend();
    const request = permitsOf(newName(), 20_000, 30_000);
    await take(backend, request);
    expect((await attempt(backend, permitsOf(request.name, 10_001, 30_000))).granted).toBe(false);
    expect(await backend.renew([{ ...request, ttlMs: 20_000 }], callOf())).toEqual([true]);
    expect((await backend.inspect(request.name, 'semaphore', callOf())).holders).toMatchObject([{ permits: 20_000 }]);
    expect(await free(backend, request)).toBe(true);
    expect(await redis.admin.keys(`*${request.name}*`)).toEqual([]);
  });

  it('are all freed by force', async () => {
    const backend = redis.backend();
    const name = newName();
    const requests = [permitsOf(name, 1, 3), permitsOf(name, 2, 3)];
    await backend.attempt(requests, callOf());
    expect(await backend.forceRelease(name, 'semaphore', callOf())).toBe(true);
    expect(await backend.forceRelease(name, 'semaphore', callOf())).toBe(false);
    expect(
      await backend.renew(
        requests.map((request) => ({ ...request, ttlMs: 1000 })),
        callOf(),
      ),
    ).toEqual([false, false]);
    await take(backend, permitsOf(name, 3, 3));
  });
});

describe('readers and writers', () => {
  it('exclude each other as they should', async () => {
    const backend = redis.backend();
    const name = newName();
    const [first, second, writer] = [requestOf(name, 'read'), requestOf(name, 'read'), requestOf(name, 'write')];
    const a = await take(backend, first);
    const b = await take(backend, second);
    const busy = await attempt(backend, writer);
    expect(busy.granted).toBe(false);
    expect(!busy.granted && busy.remainingMs).toBeGreaterThan(5000);
    await free(backend, first);
    await free(backend, second);
    const c = await take(backend, writer);
    expect((await attempt(backend, requestOf(name, 'read'))).granted).toBe(false);
    expect((await attempt(backend, requestOf(name, 'write'))).granted).toBe(false);
    await free(backend, writer);
    const d = await take(backend, requestOf(name, 'read'));
    expect(c.fencingToken).toBeGreaterThan(b.fencingToken > a.fencingToken ? b.fencingToken : a.fencingToken);
    expect(d.fencingToken).toBeGreaterThan(c.fencingToken);
  });

  it('readers expire one by one, and are renewed and freed by their owners', async () => {
    const backend = redis.backend();
    const name = newName();
    const [short, long] = [requestOf(name, 'read', { ttlMs: 1500, label: 'short' }), requestOf(name, 'read', { label: 'long:1' })];
    const granted = await take(backend, short);
    expect((await take(backend, short)).fencingToken).toBe(granted.fencingToken);
    await take(backend, long);
    await until('the short one has expired', async () => (await backend.inspect(name, 'read-write', callOf())).holders.length === 1);
    expect((await backend.inspect(name, 'read-write', callOf())).holders).toMatchObject([{ label: 'long:1', mode: 'read' }]);
    expect(
      await backend.renew(
        [
          { ...short, ttlMs: 1000 },
          { ...long, ttlMs: 20_000 },
          { ...requestOf(name, 'read'), ttlMs: 1000 },
        ],
        callOf(),
      ),
    ).toEqual([false, true, false]);
    expect(await free(backend, short)).toBe(false);
    expect(await free(backend, long)).toBe(true);
    await take(backend, requestOf(name, 'write'));
  });

  it('are all freed by force', async () => {
    const backend = redis.backend();
    const name = newName();
    await backend.attempt([requestOf(name, 'read'), requestOf(name, 'read')], callOf());
    expect(await backend.forceRelease(name, 'read-write', callOf())).toBe(true);
    const writer = requestOf(name, 'write');
    await take(backend, writer);
    expect(await backend.forceRelease(name, 'read-write', callOf())).toBe(true);
    expect(await backend.renew([{ ...writer, ttlMs: 1000 }], callOf())).toEqual([false]);
    expect(await backend.forceRelease(name, 'read-write', callOf())).toBe(false);
  });

  it('lock, semaphore and read/write lock of one name are separate', async () => {
    const backend = redis.backend();
    const name = newName();
    const answers = await backend.attempt([requestOf(name), requestOf(name, 'write'), permitsOf(name, 1, 1)], callOf());
    expect(answers.map(({ granted }) => granted)).toEqual([true, true, true]);
    expect(await backend.forceRelease(name, 'lock', callOf())).toBe(true);
    expect((await backend.inspect(name, 'semaphore', callOf())).held).toBe(true);
    expect((await backend.inspect(name, 'read-write', callOf())).held).toBe(true);
  });
});
