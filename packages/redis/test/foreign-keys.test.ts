import { createLockManager } from '@holdfast/core';
import { attempt, callOf, free, freeAll, newName, permitsOf, requestOf, take } from '@holdfast/test/backend';
import { until } from '@holdfast/test/servers';
import { expect, it } from 'vitest';
import { fairWait, useRedis, waitersOf } from './redis-harness.js';

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

it('a lock whose waiters key another program took is freed all the same, and the others with it', async () => {
  const backend = redis.backend({ fair: false });
  const [strange, other] = [requestOf(newName(), 'write'), requestOf(newName(), 'write')];
  await take(backend, strange);
  const before = await redis.admin.keys(`*${strange.name}*`);
  // A waiter makes the key known.
  const subscription = backend.subscribe?.(requestOf(strange.name, 'write'), () => {});
  await attempt(backend, requestOf(strange.name, 'write'));
  const waiters = (await redis.admin.keys(`*${strange.name}*`)).filter((key) => !before.includes(key));
  expect(waiters).toHaveLength(1);
  for (const key of waiters) await redis.admin.multi().del(key).lpush(key, 'foreign').exec();
  await take(backend, other);
  expect(await freeAll(backend, [strange, other])).toEqual([true, true]);
  expect(await free(backend, other)).toBe(false);
  subscription?.close();
});

it('a queue that another program took does not end the waits in others', async () => {
  const backend = redis.backend({ fair: true });
  const [first, strange, other] = [requestOf(newName()), requestOf(newName()), requestOf(newName())];
  for (const request of [first, strange, other]) await take(backend, request);
  const [, foreign, waiting] = [first, strange, other].map(({ name }) =>
    fairWait(backend, requestOf(name)).catch((error: unknown) => error),
  );
  for (const { name } of [first, strange, other]) await until('it stands in the queue', async () => (await waitersOf(backend, name)) === 1);
  const [waiters = ''] = await redis.admin.keys(`*waiters*${strange.name}`);
  await redis.admin.multi().del(waiters).lpush(waiters, 'foreign').exec();
  // Told when the manager next says that it is alive: for the first alone, for the others in one command.
  expect(await foreign).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: false });
  expect(await free(backend, other)).toBe(true);
  expect(await waiting).toMatchObject({ granted: true });
});

it('a manager renews what it holds though another program took the keys of one of its semaphores', async () => {
  const manager = createLockManager(redis.backend({ fair: false }), { ttlMs: 900 });
  const [foreign, name] = [newName(), newName()];
  const [permit, lease] = await Promise.all([manager.semaphore(foreign, { permits: 2 }).acquire(), manager.acquire(name)]);
  await takeOver(foreign);
  await expect.poll(() => permit.isHeld, { timeout: 5000, interval: 20 }).toBe(false);
  const since = performance.now();
  await expect.poll(() => performance.now() - since, { timeout: 5000, interval: 50 }).toBeGreaterThan(1500);
  expect(lease.isHeld).toBe(true);
  await manager.close();
});
