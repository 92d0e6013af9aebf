import { type Lease, type LockManager, LockUnavailableError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { createWorld, expectNothingLeft, outcomeOf, rejection, waitings } from './manager-world.js';

describe.each(waitings)('waiting with $waiting', ({ fair }) => {
  it('serves the waiters of one manager in the order in which they came', async () => {
    const world = createWorld({ fair });
    const { clock, manager } = world;
    const order: number[] = [];
    const hold = async (i: number): Promise<void> => {
      const lease = await manager.acquire('x');
      order.push(i);
      await lease.release();
    };
    const first = await manager.acquire('x');
    const all = Promise.all(Array.from({ length: 20 }, (_, i) => hold(i)));
    await clock.advance(5_000);
    await first.release();
    await clock.settle();
    await all;
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i));
    await expectNothingLeft(world);
  });

  it('hands over to a peer without waiting for any timer', async () => {
    const { clock, manager, peer } = createWorld({ fair });
    const lease = await manager.acquire('x');
    const next = outcomeOf(peer.acquire('x'));
    await clock.settle();
    await lease.release();
    await clock.settle();
    expect(next.value?.isHeld).toBe(true);
  });

  it('costs less than one command a second, however many wait', async () => {
    const { clock, store, manager, peer } = createWorld({ fair });
    await peer.acquire('x');
    const waiting = Array.from({ length: 50 }, () => outcomeOf(manager.acquire('x')));
    await clock.advance(1_000);
    store.resetCalls();
    await clock.advance(60_000);
    expect(store.calls.attempt + store.calls.wait + store.calls.release + store.calls.renew).toBeLessThan(60);
    expect(waiting.every(({ status }) => status === 'pending')).toBe(true);
  });

  it('ends with LOCK_TIMEOUT when others had it all the time, and says who', async () => {
    const world = createWorld({ fair });
    const { clock, manager, peer } = world;
    await peer.acquire('x', { label: 'the other' });
    const waiting = outcomeOf(manager.acquire('x', { waitMs: 1_000 }));
    await clock.advance(999);
    expect(waiting.status).toBe('pending');
    await clock.advance(1);
    expect(waiting.error).toMatchObject({ code: 'LOCK_TIMEOUT', lockName: 'x', waitedMs: 1_000, holders: [{ label: 'the other' }] });
    await expectNothingLeft(world);
  });

  it('of 0 ms is exactly one attempt', async () => {
    const { clock, store, manager, peer } = createWorld({ fair });
    const held = await peer.acquire('x');
    const waiting = outcomeOf(manager.acquire('x', { waitMs: 0 }));
    await clock.settle();
    expect(waiting.code).toBe('LOCK_TIMEOUT');
    expect([store.calls.attempt, store.calls.wait]).toEqual([1, 0]);
    await held.release();
    await expect(manager.acquire('x', { waitMs: 0 })).resolves.toMatchObject({ isHeld: true });
  });

  it('ends with the reason of its own signal', async () => {
    const world = createWorld({ fair });
    const { clock, manager, peer } = world;
    const held = await peer.acquire('x');
    const reason = { any: 'thing' };
    const controller = new AbortController();
    const waiting = outcomeOf(manager.acquire('x', { signal: controller.signal }));
    const behind = outcomeOf(manager.acquire('x'));
    await clock.advance(100);
    controller.abort(reason);
    await clock.settle();
    expect(waiting.error).toBe(reason);
    await held.release();
    await clock.settle();
    expect(behind.value?.isHeld).toBe(true);
    await expect(manager.acquire('y', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await expect(manager.tryAcquire('y', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    await expectNothingLeft(world);
  });

  it('passes the turn on when the one whose turn it is gives up', async () => {
    const { clock, manager, peer } = createWorld({ fair });
    const lease = await manager.acquire('x');
    const controller = new AbortController();
    outcomeOf(peer.acquire('x', { signal: controller.signal }));
    await clock.advance(10);
    const behind = outcomeOf(manager.acquire('x'));
    await clock.advance(10);
    const released = lease.release();
    controller.abort();
    await released;
    await clock.settle();
    expect(behind.value?.isHeld).toBe(true);
  });

  it('rides out a store that is away for a while', async () => {
    const world = createWorld({ fair });
    const { clock, store, manager } = world;
    store.disconnect();
    const waiting = outcomeOf(manager.acquire('x'));
    await clock.advance(3_000);
    expect(waiting.status).toBe('pending');
    store.reconnect();
    await clock.advance(2_000);
    expect(waiting.value?.isHeld).toBe(true);
    await expectNothingLeft(world);
  });

  it('is unavailable after 5 seconds of nothing but failures, loud or silent', async () => {
    for (const silent of [false, true]) {
      const world = createWorld({ fair });
      const { clock, store, manager } = world;
      store.disconnect({ silent });
      const waiting = [outcomeOf(manager.acquire('x')), outcomeOf(manager.acquire('x'))];
      await clock.advance(4_900);
      expect(waiting.map(({ status }) => status)).toEqual(['pending', 'pending']);
      await clock.advance(2_200);
      expect(waiting.map(({ code }) => code)).toEqual(['LOCK_BACKEND_UNAVAILABLE', 'LOCK_BACKEND_UNAVAILABLE']);
      await expectNothingLeft(world);
    }
  });

  it('is unavailable at once where waiting cannot help', async () => {
    const { clock, store, manager } = createWorld({ fair });
    store.failNext({ name: 'x' }, { error: new LockUnavailableError('wrong password', { retryable: false }) });
    const waiting = outcomeOf(manager.acquire('x'));
    await clock.settle();
    expect(waiting.error).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: false });
  });

  it('that ran out without one answer is unavailable, not a timeout', async () => {
    for (const silent of [false, true]) {
      const { clock, store, manager } = createWorld({ fair });
      store.disconnect({ silent });
      const waiting = [outcomeOf(manager.acquire('x', { waitMs: 1_000 })), outcomeOf(manager.acquire('x', { waitMs: 1_000 }))];
      await clock.advance(1_000);
      expect(waiting.map(({ code }) => code)).toEqual(['LOCK_BACKEND_UNAVAILABLE', 'LOCK_BACKEND_UNAVAILABLE']);
    }
  });

  it('ends within the documented bound when a holder crashed', async () => {
    const { clock, store, manager, peer } = createWorld({ fair, ttlMs: 3_000 });
    await manager.acquire('x');
    const waiting = outcomeOf(peer.acquire('x'));
    await clock.advance(10);
    store.disconnect();
    await clock.advance(3_300 + 2_000);
    expect(waiting.value?.isHeld).toBe(true);
  });

  it('ends at once when an operator frees the lock', async () => {
    const { clock, manager, peer } = createWorld({ fair });
    const lease = await manager.acquire('x');
    const waiting = outcomeOf(peer.acquire('x'));
    await clock.settle();
    expect(await peer.forceRelease('x')).toBe(true);
    await clock.settle();
    expect(waiting.value?.fencingToken).toBeGreaterThan(lease.fencingToken);
  });

  it('is over for readers together, and a waiting writer is not starved', async () => {
    const world = createWorld({ fair });
    const { clock, manager, peer } = world;
    const [mine, theirs] = [manager.readWriteLock('x'), peer.readWriteLock('x')];
    const first = await mine.read.acquire();
    const writer = outcomeOf(theirs.write.acquire());
    await clock.settle();
    // Readers that come now wait behind the writer, in its own manager and in others.
    const late = [outcomeOf(mine.read.acquire()), outcomeOf(theirs.read.acquire())];
    await clock.advance(1_000);
    expect(await mine.read.tryAcquire()).toBeNull();
    expect(late.map(({ status }) => status)).toEqual(['pending', 'pending']);
    await first.release();
    await clock.settle();
    expect(writer.value?.isHeld).toBe(true);
    await writer.value?.release();
    await clock.settle();
    expect(late.map(({ value }) => value?.isHeld)).toEqual([true, true]);
    expect(
      late.every(({ value }) => value !== undefined && writer.value !== undefined && value.fencingToken > writer.value.fencingToken),
    ).toBe(true);
    await expectNothingLeft(world);
  });

  it('for permits reaches the limit and never exceeds it', async () => {
    const world = createWorld({ fair });
    const { clock, manager, peer } = world;
    let taken = 0;
    let most = 0;
    const work = async (i: number): Promise<void> => {
      const permits = 1 + (i % 3);
      const semaphore = (i % 2 === 0 ? manager : peer).semaphore('x', { permits: 4 });
      await semaphore.withPermits({ permits }, async (lease) => {
        expect([lease.permits, lease.fencingToken]).toEqual([permits, null]);
        taken += permits;
        most = Math.max(most, taken);
        await new Promise<void>((resolve) => {
          clock.setTimer(50, resolve);
        });
        taken -= permits;
      });
    };
    const all = outcomeOf(Promise.all(Array.from({ length: 40 }, (_, i) => work(i))));
    await clock.advance(10_000);
    expect(all).toMatchObject({ status: 'fulfilled' });
    expect([most, taken]).toEqual([4, 0]);
    await expectNothingLeft(world);
  });
});

describe('tryAcquire', () => {
  it('is null when somebody else has it, and asks once', async () => {
    const { store, manager, peer } = createWorld();
    await peer.acquire('x');
    expect(await manager.tryAcquire('x')).toBeNull();
    expect(store.calls).toMatchObject({ attempt: 1, wait: 0, release: 0 });
  });

  it('is never null because the store is away', async () => {
    for (const silent of [false, true]) {
      const { clock, store, manager } = createWorld();
      store.disconnect({ silent });
      const tried = outcomeOf(manager.tryAcquire('x'));
      await clock.advance(2_000);
      expect(tried.code).toBe('LOCK_BACKEND_UNAVAILABLE');
    }
  });

  it('is busy while somebody is queued', async () => {
    const { clock, manager, peer } = createWorld({ fair: true });
    const lock = manager.readWriteLock('x');
    await lock.read.acquire();
    outcomeOf(peer.readWriteLock('x').write.acquire());
    await clock.settle();
    expect(await lock.read.tryAcquire()).toBeNull();
  });
});

describe('tasks through one object', () => {
  it('each have a hold of their own', async () => {
    const { clock, manager } = createWorld();
    const semaphore = manager.semaphore('x', { permits: 2 });
    const leases: Lease[] = [];
    for (let i = 0; i < 10; i += 1) {
      void semaphore.acquire().then((lease) => leases.push(lease));
    }
    await clock.advance(1_000);
    expect(leases).toHaveLength(2);
    const [first] = leases;
    expect(await Promise.all([first?.release(), first?.release()])).toEqual([true, true]);
    await clock.settle();
    expect(leases).toHaveLength(3);
  });
});

describe('arguments', () => {
  it('are checked before the store is asked', async () => {
    const { store, manager } = createWorld();
    const wrong: readonly (() => Promise<unknown>)[] = [
      () => manager.acquire(''),
      () => manager.acquire('a\ud800'),
      () => manager.tryAcquire('x'.repeat(513)),
      () => manager.acquire('x', { ttlMs: 0 }),
      () => manager.acquire('x', { waitMs: -1 }),
      () => manager.acquire('x', { maxHoldMs: 0.5 }),
      () => manager.acquire('x', { ttl: 5 } as object),
      () => manager.tryAcquire('x', { waitMs: 5 } as object),
      () => manager.acquireAll(['a', '']),
      () => manager.withLock('x', 5 as never),
      () => manager.inspect(''),
      () => manager.forceRelease(''),
      async () => manager.semaphore('x', { permits: 0 }),
      async () => manager.readWriteLock(''),
      () => manager.semaphore('x', { permits: 2 }).acquire({ permits: 3 }),
      () => manager.close({ drainMs: -1 }),
    ];
    for (const call of wrong) expect((await rejection(call())).code).toBe('LOCK_INVALID_ARGUMENT');
    expect(Object.values(store.calls).every((count) => count === 0)).toBe(true);
  });
});

it('lets other managers have their turn, though its own waiters are always the faster ones', async () => {
  const world = createWorld({ fair: false });
  const { clock, store, peerStore, manager, peer } = world;
  const order: string[] = [];
  const work = async (locks: LockManager, who: string): Promise<void> => {
    await locks.withLock('x', async () => {
      order.push(who);
      await new Promise<void>((resolve) => {
        clock.setTimer(30, resolve);
      });
    });
  };
  const all = Array.from({ length: 20 }, () => outcomeOf(work(manager, 'mine')));
  await clock.settle();
  all.push(outcomeOf(work(peer, 'peer')));
  await clock.settle();
  // The release is answered sooner than the peer, who heard of it at the same time, has asked.
  for (let i = 0; i < 20; i++) {
    const answer = store.stallNext('release', { at: 'reply' });
    void answer.reached.then(() => clock.setTimer(1, answer.resume));
  }
  for (let i = 0; i < 20; i++) {
    const request = peerStore.stallNext('attempt');
    void request.reached.then(() => clock.setTimer(1, request.resume));
  }
  await clock.advance(2_000);
  expect(new Set(all.map(({ status }) => status))).toEqual(new Set(['fulfilled']));
  expect(order.indexOf('peer')).toBeLessThan(6);
  await expectNothingLeft(world);
});

it('asks for none of the many that an outage ends at the same time', async () => {
  const world = createWorld({ fair: false });
  const { clock, store, manager } = world;
  store.disconnect({ silent: true });
  const waiting = Array.from({ length: 50 }, () => outcomeOf(manager.acquire('x')));
  await clock.advance(100_000);
  expect(new Set(waiting.map(({ code }) => code))).toEqual(new Set(['LOCK_BACKEND_UNAVAILABLE']));
  expect(store.calls.attempt).toBeLessThan(20);
  await expectNothingLeft(world);
});

it('asks for none of the many whose waits run out, or are aborted, at the same time', async () => {
  const world = createWorld({ fair: false });
  const { clock, store, manager, peer } = world;
  await peer.acquire('x');
  const controller = new AbortController();
  const waiting = Array.from({ length: 50 }, (_, i) =>
    outcomeOf(manager.acquire('x', i % 2 === 0 ? { waitMs: 500 } : { signal: controller.signal })),
  );
  const behind = outcomeOf(manager.acquire('x'));
  await clock.advance(499);
  store.resetCalls();
  await clock.advance(1);
  controller.abort();
  await clock.settle();
  expect(waiting.filter(({ status }) => status === 'rejected')).toHaveLength(50);
  expect(store.calls.attempt).toBeLessThan(10);
  await peer.close();
  await clock.settle();
  expect(behind.value?.isHeld).toBe(true);
  await expectNothingLeft(world);
});
