import { describe, expect, it } from 'vitest';
import { createWorld, expectNothingLeft, type Outcome, outcomeOf, rejection } from './manager-world.js';

// A caller that finds nobody in front of it asks the store at once; only what happens meanwhile makes a waiter of it.
describe('the first attempt at a name', () => {
  it('is in front of those that come while it is under way', async () => {
    for (const at of ['request', 'reply'] as const) {
      const world = createWorld({ fair: false });
      const { clock, store, manager, events } = world;
      const stalled = store.stallNext('attempt', { at });
      const order: string[] = [];
      const take = async (name: string): Promise<void> => {
        const lease = await manager.acquire('x');
        order.push(name);
        await lease.release();
      };
      const first = take('first');
      await stalled.reached;
      const others = [take('second'), take('third')];
      await clock.settle();
      expect(order).toEqual([]);
      stalled.resume();
      await clock.settle();
      await Promise.all([first, ...others]);
      expect(order).toEqual(['first', 'second', 'third']);
      expect(events.filter(({ type }) => type === 'granted')).toHaveLength(3);
      await expectNothingLeft(world);
    }
  });

  it('is reported to everybody who observes as every other', async () => {
    const world = createWorld({ fair: false });
    const lease = await world.manager.acquire('x');
    expect(world.events).toMatchObject([{ type: 'granted', name: 'x', waitedMs: 0, contended: false, fencingToken: lease.fencingToken }]);
    await lease.release();
    await expectNothingLeft(world);
  });

  it('that was refused waits on from the moment in which it came', async () => {
    const world = createWorld({ fair: false });
    const { clock, store, manager, peer } = world;
    await peer.acquire('x');
    const stalled = store.stallNext('attempt');
    const acquired = outcomeOf(manager.acquire('x', { waitMs: 3_000 }));
    await stalled.reached;
    await clock.advance(1_000);
    stalled.resume();
    await clock.advance(1_999);
    expect(acquired.status).toBe('pending');
    await clock.advance(1);
    expect(acquired).toMatchObject({ status: 'rejected', code: 'LOCK_TIMEOUT', error: { waitedMs: 3_000 } });
    await expectNothingLeft(world);
  });

  it('that failed is repeated, and once the store is away for too long the caller hears of it', async () => {
    const world = createWorld({ fair: false });
    const { clock, store, manager } = world;
    store.failNext('attempt');
    const rode = outcomeOf(manager.acquire('x'));
    await clock.advance(100);
    expect(rode.value?.isHeld).toBe(true);
    store.disconnect();
    const lost = outcomeOf(manager.acquire('y'));
    await clock.advance(4_990);
    expect(lost.status).toBe('pending');
    await clock.advance(510);
    expect(lost.code).toBe('LOCK_BACKEND_UNAVAILABLE');
    await expectNothingLeft(world);
  });

  it('ends with the manager, and leaves nothing', async () => {
    for (const at of ['request', 'reply'] as const) {
      const world = createWorld({ fair: false });
      const { clock, store, manager, isHeld, events } = world;
      const stalled = store.stallNext('attempt', { at });
      const waited = rejection(manager.acquire('x'));
      await stalled.reached;
      const closed = manager.close();
      expect(await waited).toMatchObject({ code: 'LOCK_CLOSED', lockName: 'x' });
      stalled.resume();
      await clock.advance(5_000);
      await closed;
      expect(await isHeld()).toBe(false);
      expect(events).toMatchObject([{ type: 'not-granted', outcome: 'closed' }]);
      await expectNothingLeft(world);
    }
  });

  it('that comes too late to be held is freed and repeated', async () => {
    const world = createWorld({ fair: false, ttlMs: 1_500 });
    const { clock, store, manager } = world;
    const stalled = store.stallNext('attempt', { at: 'reply' });
    const acquired = outcomeOf(manager.acquire('x'));
    await stalled.reached;
    await clock.advance(1_500);
    stalled.resume();
    await clock.advance(1_000);
    expect(acquired.value?.isHeld).toBe(true);
    expect(acquired.value?.remainingMs).toBeGreaterThan(500);
    await acquired.value?.release();
    await expectNothingLeft(world);
  });

  it('that a holder makes when it hears of its loss, in the middle of another, ends with the manager too', async () => {
    const world = createWorld({ fair: false });
    const { clock, store, manager } = world;
    const lease = await manager.acquire('x', { ttlMs: 1_000, renew: false });
    const acquired: Outcome<unknown>[] = [];
    lease.signal.addEventListener('abort', () => acquired.push(outcomeOf(manager.acquire('x'))));
    // The timers of the deadline have not fired, so it is the next call that finds out.
    clock.block(2_000);
    const stalled = [store.stallNext('attempt'), store.stallNext('attempt')];
    acquired.push(outcomeOf(manager.acquire('x')));
    await clock.settle();
    const closed = outcomeOf(manager.close());
    await clock.settle();
    expect(acquired.map(({ code }) => code)).toEqual(['LOCK_CLOSED', 'LOCK_CLOSED']);
    for (const { resume } of stalled) resume();
    await clock.advance(5_000);
    expect(closed.status).toBe('fulfilled');
    await expectNothingLeft(world);
  });

  it('is not made for a wait that was ended because of the loss that it found', async () => {
    const world = createWorld({ fair: false });
    const { clock, store, manager } = world;
    const lease = await manager.acquire('x', { ttlMs: 1_000, renew: false });
    const controller = new AbortController();
    lease.signal.addEventListener('abort', () => controller.abort(new Error('lost')));
    clock.block(2_000);
    store.resetCalls();
    const acquired = outcomeOf(manager.acquire('x', { signal: controller.signal }));
    await clock.settle();
    expect(acquired.error).toMatchObject({ message: 'lost' });
    expect(store.calls.attempt).toBe(0);
    await expectNothingLeft(world);
  });
});
