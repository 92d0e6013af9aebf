import { createLockManager, type LockBackend } from '@holdfast/core';
import { attempt, callOf, free, freeAll, newName, permitsOf, requestOf, take } from '@holdfast/test/backend';
import { until } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { slotOf } from '../src/key-slot.js';
import { KeySpace } from '../src/key-space.js';
import { standIn, useRedis, waitersOf } from './redis-harness.js';

const redis = useRedis();

/** Puts another program's value where the holders of a semaphore are kept. */
async function takeOver(name: string): Promise<void> {
  const keys = (await redis.admin.keys(`*${name}*`)).sort();
  expect(keys.length).toBeGreaterThan(0);
  for (const key of keys) await redis.admin.multi().del(key).lpush(key, 'foreign').exec();
}

it('a semaphore whose keys another program took does not cost the requests that travel with its own', async () => {
  const backend = redis.backend({ fair: false });
  const [foreign, lost] = [newName(), permitsOf(newName(), 1, 2)];
  const held = requestOf(newName());
  await take(backend, permitsOf(foreign, 1, 2));
  await take(backend, held);
  await take(backend, lost);
  await takeOver(foreign);
  await takeOver(lost.name);
  // The first goes alone; what is sent until it was answered shares commands.
  const first = attempt(backend, requestOf(newName()));
  const others = [permitsOf(foreign, 1, 2), requestOf(newName()), requestOf(newName(), 'write')];
  const outcomes = await Promise.allSettled([first, ...others.map((request) => attempt(backend, request))]);
  expect(outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value.granted : (outcome.reason as unknown)))).toEqual([
    true,
    expect.objectContaining({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: false }),
    true,
    true,
  ]);
  expect(await backend.renew([lost, held], callOf())).toEqual([false, true]);
  expect(await freeAll(backend, [lost, held])).toEqual([false, true]);
});

it('a lock whose waiters key another program took is freed nevertheless, and the others with it', async () => {
  const backend = redis.backend({ fair: false });
  const [strange, other] = [requestOf(newName(), 'write'), requestOf(newName(), 'write')];
  await take(backend, strange);
  const before = await redis.admin.keys(`*${strange.name}*`);
  // A waiter makes the key known.
  const waiting = standIn(backend, requestOf(strange.name, 'write')).catch((error: unknown) => error);
  await until('it waits', async () => (await waitersOf(backend, strange.name, 'read-write')) === 1);
  const waiters = (await redis.admin.keys(`*${strange.name}*`)).filter((key) => !before.includes(key));
  expect(waiters).toHaveLength(1);
  for (const key of waiters) await redis.admin.multi().del(key).lpush(key, 'foreign').exec();
  await take(backend, other);
  expect(await freeAll(backend, [strange, other])).toEqual([true, true]);
  expect(await free(backend, other)).toBe(false);
  expect(await waiting).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
});

describe('a release that hands on', () => {
  // By their places among the keys of a script.
  it.each([
    ['exclusive', 'exclusive', 'waiters', 1],
    ['exclusive', 'exclusive', 'fence', 2],
    ['write', 'write', 'readers', 1],
    ['write', 'read', 'readers', 1],
    ['write', 'read', 'what readers are called', 2],
    ['write', 'write', 'waiters', 3],
    ['write', 'read', 'fence', 4],
  ] as const)('frees and grants nothing where another program took a key (%s to %s: %s)', async (mode, nextMode, _, at) => {
    const backend = redis.backend();
    const held = requestOf(newName(), mode);
    const next = requestOf(held.name, nextMode);
    await take(backend, held);
    const { granting } = new KeySpace('holdfast:', '').keysOf(held.name, mode === 'exclusive' ? 'x' : 'w');
    const [lock = '', foreign = ''] = [granting[0], granting[at]];
    await redis.admin.multi().del(foreign).lpush(foreign, 'foreign').exec();
    expect(await backend.release([{ ...held, next }], callOf())).toMatchObject([
      { wasOurs: true, isFinal: true, next: { granted: false } },
    ]);
    expect([await redis.admin.exists(lock), await redis.admin.lrange(foreign, 0, -1)]).toEqual([0, ['foreign']]);
    await redis.admin.del(foreign);
    await take(backend, requestOf(held.name, 'write'));
    await take(backend, requestOf(held.name));
  });
});

it('a queue that another program took does not end the waits in others', async () => {
  const backend = redis.backend({ fair: true });
  const [first, strange, other] = [requestOf(newName()), requestOf(newName()), requestOf(newName())];
  for (const request of [first, strange, other]) await take(backend, request);
  const [, foreign, waiting] = [first, strange, other].map(({ name }) =>
    standIn(backend, requestOf(name)).catch((error: unknown) => error),
  );
  for (const { name } of [first, strange, other]) await until('it stands in the queue', async () => (await waitersOf(backend, name)) === 1);
  const [waiters = ''] = await redis.admin.keys(`*waiters*${strange.name}`);
  await redis.admin.multi().del(waiters).lpush(waiters, 'foreign').exec();
  // Notified when the manager next says that it is alive: for the first alone, for the others in one command.
  expect(await foreign).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: false });
  expect(await free(backend, other)).toBe(true);
  expect(await waiting).toMatchObject({ granted: true });
});

it('a manager renews what it holds though another program took the keys of one of its semaphores', async () => {
  const manager = createLockManager(redis.backend({ fair: false }), { ttlMs: 1800 });
  const [foreign, name] = [newName(), newName()];
  const [permit, lease] = await Promise.all([manager.semaphore(foreign, { permits: 2 }).acquire(), manager.acquire(name)]);
  await takeOver(foreign);
  await expect.poll(() => permit.isHeld, { timeout: 5000, interval: 20 }).toBe(false);
  const since = performance.now();
  await expect.poll(() => performance.now() - since, { timeout: 10_000, interval: 50 }).toBeGreaterThan(1900);
  expect(lease.isHeld).toBe(true);
  await manager.close();
});

describe('a key of fences that holds none', () => {
  /** Its fence key is left as it was; the locks of other slots are granted in the same command. */
  async function costsItsOwnNames(spoil: (key: string) => Promise<unknown>, backend: LockBackend<bigint>): Promise<void> {
    const name = newName();
    const { slot, fence } = new KeySpace('holdfast:', '').keysOf(name, 'x');
    await redis.admin.del(fence);
    await spoil(fence);
    const before = await redis.admin.dump(fence);
    const others = Array.from({ length: 5 }, () => requestOf(newName())).filter((request) => slotOf(`holdfast:${request.name}`) !== slot);
    const kinds = [requestOf(name), requestOf(name, 'write'), requestOf(name, 'read')];
    const first = attempt(backend, requestOf(newName()));
    const outcomes = await Promise.allSettled([...others, ...kinds].map((request) => attempt(backend, request)));
    await first;
    for (const outcome of outcomes.slice(0, others.length)) expect(outcome).toMatchObject({ value: { granted: true } });
    for (const outcome of outcomes.slice(others.length)) {
      expect(outcome).toMatchObject({ reason: { code: 'LOCK_BACKEND_UNAVAILABLE', retryable: false, lockName: name } });
    }
    expect(await redis.admin.dump(fence)).toEqual(before);
    await redis.admin.del(fence);
    await take(backend, requestOf(name));
  }

  it.each([
    ['a list', (key: string) => redis.admin.lpush(key, 'x')],
    ['a text', (key: string) => redis.admin.set(key, 'x')],
    ['a negative number', (key: string) => redis.admin.set(key, '-5')],
    ['a number beyond what can be counted on', (key: string) => redis.admin.set(key, '9007199254740992')],
    ['a number beyond any', (key: string) => redis.admin.set(key, '9223372036854775808')],
  ])('costs its own names only: %s', async (_, spoil) => {
    await costsItsOwnNames(spoil, redis.backend());
  });
});

it.each(['exclusive', 'write'] as const)('a renewal gives a hold its expiry back (%s)', async (mode) => {
  const backend = redis.backend();
  const request = requestOf(newName(), mode);
  await take(backend, request);
  const [key] = (await redis.admin.keys(`*${request.name}`)).filter((found) => !found.includes('fence'));
  await redis.admin.persist(key ?? '');
  expect(await redis.admin.pttl(key ?? '')).toBe(-1);
  expect(await backend.renew([{ ...request, ttlMs: 5000 }], callOf())).toEqual([true]);
  expect(await redis.admin.pttl(key ?? '')).toBeGreaterThan(0);
});

it.each(['exclusive', 'write', 'read', 'permits'] as const)(
  'a lease that is not renewed keeps what its holder counts on when its keys lose their expiry (%s)',
  async (mode) => {
    const [mine, theirs] = [createLockManager(redis.backend()), createLockManager(redis.backend())];
    const name = newName();
    const of = (locks: typeof mine) =>
      mode === 'permits'
        ? locks.semaphore(name, { permits: 1 })
        : mode === 'exclusive'
          ? { acquire: locks.acquire.bind(locks, name), tryAcquire: locks.tryAcquire.bind(locks, name) }
          : locks.readWriteLock(name)[mode];
    const lease = await of(mine).acquire({ ttlMs: 3000, renew: false });
    const keys = (await redis.admin.keys(`*${name}`)).filter((found) => !found.includes('fence'));
    for (const key of keys) expect(await redis.admin.persist(key)).toBe(1);
    // A look whether it stands, at a third of its ttl, finds them.
    await until('they expire again', async () =>
      (await Promise.all(keys.map((key) => redis.admin.pttl(key)))).every((left) => left !== -1),
    );
    const left = await Promise.all(keys.map((key) => redis.admin.pttl(key)));
    expect(lease.isHeld).toBe(true);
    expect(Math.min(...left)).toBeGreaterThan(lease.remainingMs);
    expect(Math.max(...left)).toBeLessThan(5000);
    expect(await (mode === 'read' ? theirs.readWriteLock(name).write : of(theirs)).tryAcquire()).toBeNull();
    await Promise.all([mine.close(), theirs.close()]);
  },
);

it.each(['read', 'permits'] as const)(
  'of several in a key that lost its expiry, a short one does not shorten a long one (%s)',
  async (mode) => {
    const backend = redis.backend();
    const name = newName();
    const [long, short] = [1, 2].map(() => (mode === 'read' ? requestOf(name, 'read') : permitsOf(name, 1, 2)));
    if (long === undefined || short === undefined) throw new Error('two were made');
    await take(backend, { ...long, ttlMs: 60_000 });
    await take(backend, { ...short, ttlMs: 2000 });
    const keys = (await redis.admin.keys(`*${name}`)).filter((found) => !found.includes('fence'));
    for (const key of keys) await redis.admin.persist(key);
    expect(await backend.renew([{ ...short, ttlMs: 3000 }], callOf())).toEqual([true]);
    for (const key of keys) expect(await redis.admin.pttl(key)).toBeGreaterThan(50_000);
    expect(await freeAll(backend, [long, short])).toEqual([true, true]);
  },
);

it('members among the waiters that are none of ours cost nobody anything', async () => {
  const backend = redis.backend({ fair: true });
  const held = requestOf(newName());
  await take(backend, held);
  const waiting = standIn(backend, requestOf(held.name));
  await until('it waits', async () => (await waitersOf(backend, held.name)) === 1);
  const [key = ''] = await redis.admin.keys(`*lock-waiters:*${held.name}`);
  await redis.admin.zadd(key, 1, 'r', 2, 'rx', 150_000_000_000_000, 'junk', 150_000_000_000_001, 'a:b:c');
  expect(await free(backend, held)).toBe(true);
  expect(await waiting).toMatchObject({ granted: true });
});

it('a list tells what is held beside what is foreign, and says what it left out', async () => {
  const backend = redis.backend({ prefix: '' });
  const warned: Error[] = [];
  const onWarning = (warning: Error): void => void warned.push(warning);
  process.on('warning', onWarning);
  const foreign = newName();
  await redis.admin.hset(foreign, 'a', 'b');
  const { keys } = new KeySpace('', '').keysOf(`${foreign}-rw`, 'w');
  await redis.admin.hset(keys[1] ?? '', 'a', 'b');
  const held = requestOf(newName());
  await take(backend, held);
  const names: string[] = [];
  for await (const { name } of backend.list?.('name-', callOf()) ?? []) names.push(name);
  expect(names).toContain(held.name);
  expect(names).not.toContain(foreign);
  await until('it was said', () => warned.some((warning) => 'code' in warning && warning.code === 'HOLDFAST_FOREIGN_KEY'));
  process.off('warning', onWarning);
  await redis.admin.del(foreign, keys[1] ?? '');
});

it('a writer is kept and freed though another program took the key of the readers', async () => {
  const backend = redis.backend();
  const writer = requestOf(newName(), 'write');
  await take(backend, writer);
  const { keys } = new KeySpace('holdfast:', '').keysOf(writer.name, 'w');
  await redis.admin.lpush(keys[1] ?? '', 'foreign');
  expect(await backend.renew([{ ...writer, ttlMs: 20_000 }], callOf())).toEqual([true]);
  expect(await free(backend, writer)).toBe(true);
  await redis.admin.del(keys[1] ?? '');
  await take(backend, requestOf(writer.name, 'write'));
});

it('a reader that never expires, put there by another program, keeps writers out until it is forced free', async () => {
  const backend = redis.backend();
  const name = newName();
  const { keys } = new KeySpace('holdfast:', '').keysOf(name, 'w');
  await redis.admin.zadd(keys[1] ?? '', '+inf', 'foreign');
  expect(await attempt(backend, requestOf(name, 'write'))).toMatchObject({ granted: false });
  await backend.forceRelease(name, 'read-write', callOf());
  await take(backend, requestOf(name, 'write'));
});
