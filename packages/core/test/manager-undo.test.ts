import { describe, expect, it } from 'vitest';
import { createWorld, expectNothingLeft, outcomeOf, waitings } from './manager-world.js';

describe.each(waitings)('an acquire whose outcome is unknown, with $waiting', ({ fair }) => {
  it('leaves no lock when the reply of a single attempt was lost', async () => {
    const world = createWorld({ fair });
    const { clock, store, manager, isHeld } = world;
    store.failNext('attempt', { performed: true });
    const tried = outcomeOf(manager.tryAcquire('x'));
    await clock.settle();
    expect(tried.code).toBe('LOCK_BACKEND_UNAVAILABLE');
    await clock.advance(1_000);
    expect(await isHeld()).toBe(false);
    await expectNothingLeft(world);
  });

  it('does not stand in its own way when the reply was lost and it asks again', async () => {
    const world = createWorld({ fair });
    const { clock, store, manager, state } = world;
    store.failNext({ name: 'x' }, { performed: true });
    const acquired = outcomeOf(manager.acquire('x', { waitMs: 5_000 }));
    await clock.advance(3_000);
    expect(acquired.value?.isHeld).toBe(true);
    expect((await state()).holders).toHaveLength(1);
    await acquired.value?.release();
    await clock.settle();
    expect((await state()).held).toBe(false);
    await expectNothingLeft(world);
  });

  it('leaves no lock when the request reaches the store after everybody has given up', async () => {
    const world = createWorld({ fair, commandTimeoutMs: 1_000 });
    const { clock, store, manager, isHeld } = world;
    const stalled = store.stallNext('attempt');
    const tried = outcomeOf(manager.tryAcquire('x'));
    await clock.advance(1_000);
    expect(tried.code).toBe('LOCK_BACKEND_UNAVAILABLE');
    await clock.advance(4_000);
    stalled.resume();
    await clock.advance(2_500);
    expect(await isHeld()).toBe(false);
    await expectNothingLeft(world);
  });

  it('leaves no lock when it was aborted while the store was asked', async () => {
    for (const at of ['request', 'reply'] as const) {
      const world = createWorld({ fair });
      const { clock, store, manager, isHeld } = world;
      const stalled = store.stallNext({ name: 'x' }, { at });
      const controller = new AbortController();
      const acquired = outcomeOf(manager.acquire('x', { signal: controller.signal }));
      await stalled.reached;
      const reason = new Error('enough');
      controller.abort(reason);
      await clock.settle();
      expect(acquired.error).toBe(reason);
      stalled.resume();
      await clock.advance(2_500);
      expect(await isHeld()).toBe(false);
      await expectNothingLeft(world);
    }
  });

  it('leaves no lock when it ran out of time while the store was asked', async () => {
    for (const at of ['request', 'reply'] as const) {
      const world = createWorld({ fair });
      const { clock, store, manager, isHeld } = world;
      const stalled = store.stallNext({ name: 'x' }, { at });
      const acquired = outcomeOf(manager.acquire('x', { waitMs: 500 }));
      await stalled.reached;
      await clock.advance(500);
      // Not one request of the wait was answered, so nobody knows that the name was busy: a look that finds nobody is no answer.
      expect(acquired.code).toBe('LOCK_BACKEND_UNAVAILABLE');
      stalled.resume();
      await clock.advance(2_500);
      expect(await isHeld()).toBe(false);
      await expectNothingLeft(world);
    }
  });

  it('leaves no permits either', async () => {
    const world = createWorld({ fair });
    const { clock, store, manager, state } = world;
    const semaphore = manager.semaphore('x', { permits: 3 });
    store.failNext('attempt', { performed: true });
    const tried = outcomeOf(semaphore.tryAcquire({ permits: 2 }));
    await clock.advance(1_000);
    expect(tried.code).toBe('LOCK_BACKEND_UNAVAILABLE');
    expect((await state('x', 'semaphore')).holders).toEqual([]);
    expect(await semaphore.tryAcquire({ permits: 3 })).not.toBeNull();
    await expectNothingLeft(world);
  });
});

it('frees an extended hold that could not be released for longer than its first ttl', async () => {
  const world = createWorld({ ttlMs: 3_000 });
  const { clock, store, manager, isHeld } = world;
  const lease = await manager.acquire('x');
  await lease.extend(600_000);
  store.disconnect();
  const released = outcomeOf(lease.release());
  await clock.advance(30_000);
  expect(released.code).toBe('LOCK_BACKEND_UNAVAILABLE');
  store.reconnect();
  await clock.advance(2_000);
  expect(await isHeld()).toBe(false);
  await expectNothingLeft(world);
});
