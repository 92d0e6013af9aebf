import { describe, expect, it } from 'vitest';
import { createWorld, expectNothingLeft, outcomeOf, waitings } from './manager-world.js';

const SILENT = { silent: true } as const;

describe.each(waitings)('time budgets with $waiting', ({ fair }) => {
  it('let a group that meets an outage end with its wait, and free in the background', async () => {
    const world = createWorld({ fair, commandTimeoutMs: 2_000 });
    const { clock, store, manager, isHeld } = world;
    const first = store.stallNext('attempt', { at: 'reply' });
    const all = outcomeOf(manager.acquireAll(['a', 'b'], { waitMs: 1_500 }));
    await first.reached;
    store.disconnect(SILENT);
    await clock.advance(1_700);
    expect(all.code).toBe('LOCK_BACKEND_UNAVAILABLE');
    store.reconnect();
    first.resume();
    await clock.advance(5_000);
    expect([await isHeld('a'), await isHeld('b')]).toEqual([false, false]);
    await expectNothingLeft(world);
  });

  it('let an abort end a group at once, whatever the store does', async () => {
    const world = createWorld({ fair });
    const { clock, store, manager, peer } = world;
    await peer.acquire('b');
    const controller = new AbortController();
    const all = outcomeOf(manager.acquireAll(['a', 'b'], { signal: controller.signal }));
    await clock.advance(50);
    store.disconnect(SILENT);
    controller.abort(new Error('enough'));
    await clock.settle();
    expect(all.error).toMatchObject({ message: 'enough' });
    store.reconnect();
    await expectNothingLeft(world);
  });

  it('let a group ride out a blip of its first request', async () => {
    const world = createWorld({ fair });
    const { clock, store, manager } = world;
    store.failNext('attempt');
    const all = outcomeOf(manager.acquireAll(['a', 'b']));
    await clock.advance(1_000);
    expect(all.value?.isHeld).toBe(true);
    await all.value?.release();
    await expectNothingLeft(world);
  });

  it('end a short wait behind a hold of their own as a timeout, also when that hold was freed just before', async () => {
    const world = createWorld({ fair });
    const { clock, store, manager } = world;
    const held = await manager.acquire('x');
    const first = outcomeOf(manager.acquire('x'));
    await clock.advance(1_000);
    const short = outcomeOf(manager.acquire('x', { waitMs: 20 }));
    await clock.advance(19);
    store.disconnect(SILENT);
    const released = outcomeOf(held.release());
    await clock.advance(60);
    expect(short.code).toBe('LOCK_TIMEOUT');
    store.reconnect();
    await clock.advance(5_000);
    expect(released.status).not.toBe('pending');
    await first.value?.release();
    await expectNothingLeft(world);
  });

  it('count the look for who holds it as a part of the wait', async () => {
    const world = createWorld({ fair });
    const { clock, manager, peer } = world;
    await peer.acquire('x', { label: 'the peer' });
    const waiting = outcomeOf(manager.acquire('x', { waitMs: 1_000 }));
    await clock.advance(999);
    expect(waiting.status).toBe('pending');
    await clock.advance(1);
    expect(waiting.error).toMatchObject({ code: 'LOCK_TIMEOUT', waitedMs: 1_000, holders: [{ label: 'the peer' }] });
    await expectNothingLeft(world);
  });

  it('end a wait within 100 ms of its time when nobody can say who holds it', async () => {
    const world = createWorld({ fair });
    const { clock, store, manager, peer } = world;
    await peer.acquire('x');
    const waiting = outcomeOf(manager.acquire('x', { waitMs: 1_000 }));
    await clock.advance(500);
    store.disconnect(SILENT);
    await clock.advance(600);
    // It was answered "busy" while it lasted.
    expect(waiting.error).toMatchObject({ code: 'LOCK_TIMEOUT', holders: [] });
    store.reconnect();
    await expectNothingLeft(world);
  });

  it('call a wait that lay wholly in a silence unavailable, also behind another of its manager', async () => {
    const world = createWorld({ fair });
    const { clock, store, manager, peer } = world;
    await peer.acquire('x');
    const first = outcomeOf(manager.acquire('x', { waitMs: 10_000 }));
    await clock.advance(100);
    store.disconnect(SILENT);
    const behind = outcomeOf(manager.acquire('x', { waitMs: 600 }));
    await clock.advance(700);
    expect([first.status, behind.code]).toEqual(['pending', 'LOCK_BACKEND_UNAVAILABLE']);
    store.reconnect();
    await clock.advance(10_000);
    await expectNothingLeft(world);
  });

  it('call a wait behind a paused one of its manager timed out while the store answers', async () => {
    const world = createWorld({ fair });
    const { clock, manager, peer } = world;
    await peer.acquire('x');
    outcomeOf(manager.acquire('x', { waitMs: 10_000 }));
    await clock.advance(100);
    const behind = outcomeOf(manager.acquire('x', { waitMs: 300 }));
    await clock.advance(300);
    expect(behind.code).toBe('LOCK_TIMEOUT');
    await clock.advance(10_000);
    await expectNothingLeft(world);
  });

  it('call a wait unavailable that only a look was answered for', async () => {
    const world = createWorld({ fair });
    const { clock, store, manager, peer } = world;
    await peer.acquire('x');
    const stalled = store.stallNext(fair ? 'wait' : 'attempt');
    const waiting = outcomeOf(manager.acquire('x', { waitMs: 300 }));
    await stalled.reached;
    await clock.advance(400);
    expect(waiting.code).toBe('LOCK_BACKEND_UNAVAILABLE');
    stalled.resume();
    await clock.advance(3_000);
    await expectNothingLeft(world);
  });

  it('end close() in an outage within the drain, one command timeout and half a second', async () => {
    const world = createWorld({ fair, commandTimeoutMs: 2_000 });
    const { clock, store, manager } = world;
    const lease = await manager.acquire('x');
    store.disconnect(SILENT);
    const released = outcomeOf(lease.release());
    outcomeOf(manager.acquire('y', { waitMs: 0 }));
    const closed = outcomeOf(manager.close({ drainMs: 300 }));
    await clock.advance(300 + 2_000 + 500);
    expect([closed.status, released.code]).toEqual(['fulfilled', 'LOCK_BACKEND_UNAVAILABLE']);
  });

  it('let close() wait for a release that is under way', async () => {
    const world = createWorld({ fair });
    const { clock, store, manager, isHeld } = world;
    const lease = await manager.acquire('x');
    const stalled = store.stallNext('release');
    const released = outcomeOf(lease.release());
    await stalled.reached;
    const closed = outcomeOf(manager.close({ drainMs: 10_000 }));
    await clock.advance(1_000);
    expect([closed.status, released.status]).toEqual(['pending', 'pending']);
    stalled.resume();
    await clock.advance(20);
    expect([closed.status, released.value, await isHeld()]).toEqual(['fulfilled', true, false]);
  });

  it('free a hold whose deadline has passed when its holder has had the guard to stop', async () => {
    const world = createWorld({ fair, ttlMs: 3_000 });
    const { clock, store, manager, isHeld } = world;
    const lease = await manager.acquire('x');
    // The renewal reaches the store, which keeps the hold for longer, and its answer never comes.
    store.stallNext('renew', { at: 'reply' });
    await clock.advance(1_100);
    store.disconnect(SILENT);
    await clock.advance(1_900);
    store.reconnect();
    store.resetCalls();
    await clock.advance(299);
    expect([lease.isHeld, await isHeld(), store.calls.release]).toEqual([false, true, 0]);
    await clock.advance(20);
    expect([await isHeld(), store.calls.release]).toEqual([false, 1]);
    await expectNothingLeft(world);
  });
});
