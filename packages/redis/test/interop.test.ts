import { LockFactory } from '@verrou/core';
import { attempt, callOf, free, newName, requestOf, take } from '@holdfast/test/backend';
import { redisStore } from '@verrou/core/drivers/redis';
import { until } from '@holdfast/test/servers';
import Redlock from 'redlock';
import { Mutex } from 'redis-semaphore';
import { describe, expect, it } from 'vitest';
import { standIn, useRedis } from './redis-harness.js';

interface OtherLock {
  release(): Promise<unknown>;
}
interface OtherLibrary {
  /** What it puts in front of a name. */
  readonly prefix: string;
  /** null when it is busy. */
  tryAcquire(name: string): Promise<OtherLock | null>;
}

const redis = useRedis();

const libraries: Readonly<Record<string, () => OtherLibrary>> = {
  'redlock 4.2': () => ({
    prefix: '',
    async tryAcquire(name) {
      const lock = await new Redlock([redis.admin], { retryCount: 0 }).lock(name, 10_000).catch(() => null);
      return lock === null ? null : { release: () => lock.unlock() };
    },
  }),
  'the Mutex of redis-semaphore': () => ({
    prefix: 'mutex:',
    async tryAcquire(name) {
      const mutex = new Mutex(redis.admin, name, { lockTimeout: 10_000, acquireAttemptsLimit: 1 });
      return (await mutex.tryAcquire()) ? { release: () => mutex.release() } : null;
    },
  }),
  '@verrou/core': () => ({
    prefix: '',
    async tryAcquire(name) {
      const factory = new LockFactory(redisStore({ connection: redis.admin }).factory());
      const lock = factory.createLock(name, 10_000);
      return (await lock.acquireImmediately()) ? { release: () => lock.release() } : null;
    },
  }),
};

describe.each(Object.keys(libraries))('%s on the same key', (title) => {
  const library = (): OtherLibrary => (libraries[title] as () => OtherLibrary)();

  it('keeps us out, and lets us in when it has released', async () => {
    const other = library();
    const backend = redis.backend({ prefix: other.prefix });
    const name = newName();
    const theirs = await other.tryAcquire(name);
    if (theirs === null) throw new Error('not acquired');
    expect((await attempt(backend, requestOf(name))).granted).toBe(false);
    expect(await backend.inspect(name, 'lock', callOf())).toMatchObject({ held: true, holders: [{ label: null, fencingToken: null }] });
    // Nor do we free or keep what is theirs.
    expect(await free(backend, requestOf(name))).toBe(false);
    expect((await attempt(backend, requestOf(name))).granted).toBe(false);
    await theirs.release();
    await take(backend, requestOf(name));
  });

  it('is kept out by us, while we hold it and while we renew it', async () => {
    const other = library();
    const backend = redis.backend({ prefix: other.prefix });
    const request = requestOf(newName(), 'exclusive', { ttlMs: 1000 });
    await take(backend, request);
    expect(await other.tryAcquire(request.name)).toBeNull();
    await backend.renew([{ ...request, ttlMs: 10_000 }], callOf());
    expect(await other.tryAcquire(request.name)).toBeNull();
    await free(backend, request);
    const theirs = await other.tryAcquire(request.name);
    expect(theirs).not.toBeNull();
    await theirs?.release();
  });

  it('is waited for by us, who look for ourselves, as it calls nobody', async () => {
    const other = library();
    const name = newName();
    for (const fair of [true, false]) {
      const backend = redis.backend({ prefix: other.prefix, fair });
      const theirs = await other.tryAcquire(name);
      const request = requestOf(name);
      const waiting = standIn(backend, request);
      await until('it waits', async () => (await backend.inspect(name, 'lock', callOf())).waiters === 1);
      const start = performance.now();
      await theirs?.release();
      await waiting;
      expect(performance.now() - start).toBeLessThan(2000);
      expect(await free(backend, request)).toBe(true);
    }
  });

  it('waits for us by asking again, and has the key as soon as none of us waits', async () => {
    const other = library();
    const backend = redis.backend({ prefix: other.prefix });
    const [first, next] = [requestOf(newName()), requestOf('')];
    const second = { ...next, name: first.name };
    await take(backend, first);
    const waiting = standIn(backend, second);
    await until('it waits', async () => (await backend.inspect(first.name, 'lock', callOf())).waiters === 1);
    let theirs: OtherLock | null = null;
    let isOurs = true;
    const asking = (async () => {
      while (theirs === null) {
        theirs = await other.tryAcquire(first.name);
        if (theirs !== null) expect(isOurs).toBe(false);
      }
    })();
    await free(backend, first);
    await waiting;
    isOurs = false;
    await free(backend, second);
    await asking;
    expect(theirs).not.toBeNull();
  });

  it('is kept out while the lock is on its way to the next of a fair queue', async () => {
    const other = library();
    const backend = redis.backend({ prefix: other.prefix, fair: true });
    const request = requestOf(newName());
    await take(backend, request);
    let isGranted = false;
    const wait = backend.wait?.(requestOf(request.name), callOf()).then(() => {
      isGranted = true;
    });
    await until('it waits', async () => (await backend.inspect(request.name, 'lock', callOf())).waiters === 1);
    const tries: (OtherLock | null)[] = [];
    await free(backend, request);
    while (!isGranted) tries.push(await other.tryAcquire(request.name));
    await wait;
    expect(tries.every((each) => each === null)).toBe(true);
  });
});
