import { setTimeout as sleep } from 'node:timers/promises';
import { attempt, callOf, free, newName, permitsOf, requestOf, take } from '@holdfast/test/backend';
import { until } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { subscribed, useRedis, waitersOf } from './redis-harness.js';

const redis = useRedis();

describe('waiting without a queue', () => {
  it('is woken by a release, a forced release, and a release by an owner that holds nothing', async () => {
    const holder = redis.backend();
    const waiter = redis.backend();
    const name = newName();
    const { wakes, close } = await subscribed(waiter, requestOf(name));
    for (const end of ['release', 'forced', 'undo'] as const) {
      const held = requestOf(name);
      await take(holder, held);
      expect((await attempt(waiter, requestOf(name))).granted).toBe(false);
      expect(await waitersOf(holder, name)).toBe(1);
      const before = wakes.count;
      if (end === 'release') await free(holder, held);
      if (end === 'forced') await holder.forceRelease(name, 'lock', callOf());
      if (end === 'undo') {
        await redis.admin.del(`holdfast:${name}`);
        expect(await free(holder, requestOf(name))).toBe(false);
      }
      await wakes.after(before);
      const next = requestOf(name);
      await take(waiter, next);
      await free(waiter, next);
    }
    close();
  });

  it('wakes one manager for one lock, and the next when that one gives up', async () => {
    const holder = redis.backend();
    const held = requestOf(newName());
    const waiters = await Promise.all(
      [redis.backend(), redis.backend(), redis.backend()].map(async (backend) => ({
        backend,
        ...(await subscribed(backend, requestOf(held.name))),
      })),
    );
    await take(holder, held);
    for (const { backend } of waiters) await attempt(backend, requestOf(held.name));
    expect(await waitersOf(holder, held.name)).toBe(3);
    await free(holder, held);
    const woken = (): number => waiters.filter(({ wakes }) => wakes.count > 0).length;
    for (let turn = 1; turn <= 3; turn++) {
      await until(`${turn} were woken`, () => woken() === turn);
      expect(await waitersOf(holder, held.name)).toBe(3 - turn);
      // Gives up without an attempt: the turn goes on.
      waiters.find(({ wakes }) => wakes.count > 0 && wakes.count < 1000)?.close();
      for (const { wakes } of waiters) if (wakes.count > 0) wakes.count = Math.max(wakes.count, 1000);
    }
  });

  it('takes its place away when the wait ends, and does not pass on what it was granted', async () => {
    const holder = redis.backend();
    const waiter = redis.backend();
    const held = requestOf(newName());
    await take(holder, held);
    const { close } = await subscribed(waiter, requestOf(held.name));
    await attempt(waiter, requestOf(held.name));
    expect(await waitersOf(holder, held.name)).toBe(1);
    close();
    await until('the place is gone', async () => (await waitersOf(holder, held.name)) === 0);
  });

  it('forgets a manager that is gone within its bound, and goes past one that does not listen', async () => {
    const holder = redis.backend();
    const gone = redis.backend();
    const next = redis.backend();
    const held = requestOf(newName());
    await take(holder, held);
    await subscribed(gone, requestOf(held.name));
    await attempt(gone, requestOf(held.name));
    const { wakes } = await subscribed(next, requestOf(held.name));
    await attempt(next, requestOf(held.name));
    // As a killed process: its connections end, its place stands.
    const [first] = await subscribers();
    await redis.admin.client('KILL', 'ID', first ?? 0);
    await gone.close();
    await free(holder, held);
    await wakes.after(0, 1000);
  });

  // In the order in which they came.
  async function subscribers(): Promise<number[]> {
    const list = String(await redis.admin.call('CLIENT', 'LIST', 'TYPE', 'pubsub'));
    return [...list.matchAll(/^id=(\d+)/gm)].map(([, id]) => Number(id)).sort((a, b) => a - b);
  }

  it('looks again when the channel was broken', async () => {
    const waiter = redis.backend();
    const name = newName();
    const { wakes, close } = await subscribed(waiter, requestOf(name));
    const before = wakes.count;
    await redis.admin.client('KILL', 'TYPE', 'pubsub');
    await wakes.after(before);
    close();
  });

  it('leaves no key behind', async () => {
    const holder = redis.backend();
    const waiter = redis.backend();
    const held = requestOf(newName());
    await take(holder, held);
    const { close } = await subscribed(waiter, requestOf(held.name));
    await attempt(waiter, requestOf(held.name));
    close();
    await free(holder, held);
    await until('all keys are gone', async () => (await redis.admin.keys(`*${held.name}*`)).length === 0);
  });
});

describe('waiting permits', () => {
  it('wakes as many as fit, and skips one that does not', async () => {
    const holder = redis.backend();
    const name = newName();
    const held = permitsOf(name, 4, 4);
    await take(holder, held);
    const waiters = [];
    for (const permits of [1, 4, 2]) {
      const backend = redis.backend();
      waiters.push(await subscribed(backend, permitsOf(name, permits, 4)));
      await attempt(backend, permitsOf(name, permits, 4));
    }
    expect(await waitersOf(holder, name, 'semaphore')).toBe(3);
    await free(holder, held);
    await Promise.all([waiters[0]?.wakes.after(0), waiters[2]?.wakes.after(0)]);
    expect(waiters[1]?.wakes.count).toBe(0);
  });

  it('passes on what is left when one is granted', async () => {
    const holder = redis.backend();
    const waiter = redis.backend();
    const name = newName();
    const held = permitsOf(name, 3, 3);
    await take(holder, held);
    const { wakes } = await subscribed(waiter, permitsOf(name, 1, 3));
    await attempt(waiter, permitsOf(name, 1, 3));
    // Freed behind everybody's back, so nobody is told.
    await redis.admin.del(...(await redis.admin.keys(`holdfast.{*}:permits:holdfast:${name}`)));
    const other = permitsOf(name, 1, 3);
    await take(holder, other);
    await wakes.after(0);
  });
});

describe('waiting readers and writers', () => {
  it('a waiting writer holds back new readers until it gives up', async () => {
    const backend = redis.backend();
    const writers = redis.backend();
    const name = newName();
    const reader = requestOf(name, 'read');
    await take(backend, reader);
    const { close } = await subscribed(writers, requestOf(name, 'write'));
    expect((await attempt(writers, requestOf(name, 'write'))).granted).toBe(false);
    expect((await attempt(backend, requestOf(name, 'read'))).granted).toBe(false);
    const { wakes } = await subscribed(backend, requestOf(name, 'read'));
    await attempt(backend, requestOf(name, 'read'));
    close();
    await wakes.after(0);
    await take(backend, requestOf(name, 'read'));
  });

  it('a writer that only tries holds nobody back', async () => {
    const backend = redis.backend();
    const name = newName();
    await take(backend, requestOf(name, 'read'));
    expect((await attempt(backend, requestOf(name, 'write'))).granted).toBe(false);
    await take(backend, requestOf(name, 'read'));
  });

  it('a dead writer holds readers back for at most 2 s', async () => {
    const backend = redis.backend();
    const dead = redis.backend();
    const name = newName();
    await take(backend, requestOf(name, 'read'));
    await subscribed(dead, requestOf(name, 'write'));
    expect(await attempt(dead, requestOf(name, 'write'))).toMatchObject({ granted: false, remainingMs: 1500 });
    // The reader is told when to ask again, so that core's poll adds nothing.
    const refused = await attempt(backend, requestOf(name, 'read'));
    expect(refused.granted ? 0 : refused.remainingMs).toBeGreaterThan(1000);
    expect(refused.granted ? 0 : refused.remainingMs).toBeLessThanOrEqual(1900);
    await dead.close();
    // close() says nothing to the server about subscriptions that were left open.
    const start = performance.now();
    await until('a reader gets in', async () => (await attempt(backend, requestOf(name, 'read'))).granted, {
      timeoutMs: 5000,
      everyMs: 50,
    });
    expect(performance.now() - start).toBeLessThan(2000);
  });

  it('wakes all readers after a writer, even while another writer waits', async () => {
    const holder = redis.backend();
    const name = newName();
    const held = requestOf(name, 'write');
    await take(holder, held);
    const readers = await Promise.all(
      [redis.backend(), redis.backend()].map(async (backend) => ({ backend, ...(await subscribed(backend, requestOf(name, 'read'))) })),
    );
    const writer = redis.backend();
    const { wakes, close } = await subscribed(writer, requestOf(name, 'write'));
    for (const { backend } of readers) await attempt(backend, requestOf(name, 'read'));
    await attempt(writer, requestOf(name, 'write'));
    await free(holder, held);
    const taken = await Promise.all(
      readers.map(async ({ backend, wakes: told }) => {
        await told.after(0);
        const request = requestOf(name, 'read');
        await take(backend, request);
        return { backend, request };
      }),
    );
    await sleep(150);
    // The readers' turn is over: the next reader waits behind the writer.
    expect((await attempt(holder, requestOf(name, 'read'))).granted).toBe(false);
    for (const { backend, request } of taken) await free(backend, request);
    await wakes.after(0);
    await take(writer, requestOf(name, 'write'));
    close();
  });
});
