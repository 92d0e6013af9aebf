import { LockUnavailableError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { createWorld, expectNothingLeft, outcomeOf, rejection } from './manager-world.js';

describe('renewal', () => {
  it('keeps a lease for as long as it is held, at a third of its ttl', async () => {
    const world = createWorld({ ttlMs: 3_000 });
    const { clock, store, manager } = world;
    const lease = await manager.acquire('x');
    for (let i = 0; i < 60; i += 1) {
      await clock.advance(1_000);
      expect(lease.remainingMs).toBeGreaterThanOrEqual(1_900);
    }
    expect(lease.isHeld).toBe(true);
    expect(store.calls.renew).toBeGreaterThanOrEqual(55);
    expect(store.calls.renew).toBeLessThanOrEqual(75);
    expect(await lease.release()).toBe(true);
    await expectNothingLeft(world);
  });

  it('of many leases is one command', async () => {
    const world = createWorld({ ttlMs: 30_000 });
    const { clock, store, manager } = world;
    const leases = [];
    for (let i = 0; i < 200; i += 1) {
      leases.push(await manager.acquire(`name ${i}`));
      clock.block(1);
    }
    await clock.advance(60_000);
    expect(leases.every((lease) => lease.isHeld)).toBe(true);
    expect(store.calls.renew).toBeLessThanOrEqual(12);
    await expectNothingLeft(world);
  });

  it('sends batches no closer than 10 ms, however many leases of whatever ttl are due', async () => {
    const { clock, store, manager } = createWorld();
    for (let i = 0; i < 100; i += 1) {
      await manager.acquire(`name ${i}`, { ttlMs: 300 + i });
      clock.block(1);
    }
    await clock.advance(200);
    store.resetCalls();
    await clock.advance(1_000);
    expect(store.calls.renew).toBeLessThanOrEqual(101);
    expect(store.calls.renew).toBeGreaterThan(20);
  });

  it('stops with the release', async () => {
    const { clock, store, manager } = createWorld({ ttlMs: 3_000 });
    const lease = await manager.acquire('x');
    await lease.release();
    store.resetCalls();
    await clock.advance(30_000);
    expect(store.calls.renew).toBe(0);
    expect(lease.signal.aborted).toBe(false);
  });

  it('is tried again until the deadline when it fails, and reported', async () => {
    const { clock, store, manager, events } = createWorld({ ttlMs: 3_000 });
    const lease = await manager.acquire('x');
    const fault = store.failNext('renew');
    await clock.advance(2_500);
    await fault.reached;
    expect(events.filter(({ type }) => type === 'renew-failed')).toMatchObject([
      { name: 'x', error: { code: 'LOCK_BACKEND_UNAVAILABLE' } },
    ]);
    await clock.advance(60_000);
    expect(lease.isHeld).toBe(true);
  });

  it('survives a store that is away for less than the deadline', async () => {
    const { clock, store, manager } = createWorld({ ttlMs: 3_000 });
    const lease = await manager.acquire('x');
    await clock.advance(500);
    store.disconnect({ silent: true });
    await clock.advance(1_800);
    store.reconnect();
    await clock.advance(60_000);
    expect(lease.isHeld).toBe(true);
  });

  it('that the store denies is a loss at once', async () => {
    const { clock, store, manager, events } = createWorld({ ttlMs: 3_000 });
    const [lease, other] = [await manager.acquire('x'), await manager.acquire('y')];
    store.evict('x');
    await clock.advance(1_001);
    expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'taken' });
    expect(other.isHeld).toBe(true);
    expect(events.filter(({ type }) => type === 'lost')).toMatchObject([{ name: 'x', reason: 'taken' }]);
    expect(await lease.release()).toBe(false);
  });

  it('with renew: false still notices a forced release at a third', async () => {
    const { clock, store, manager } = createWorld({ ttlMs: 3_000 });
    const lease = await manager.acquire('x', { renew: false });
    store.evict('x');
    await clock.advance(1_001);
    expect(lease.signal.reason).toMatchObject({ reason: 'taken' });
  });

  it('whose reply comes after the deadline is too late', async () => {
    const { clock, store, manager } = createWorld({ ttlMs: 3_000 });
    const lease = await manager.acquire('x');
    const stalled = store.stallNext('renew', { at: 'reply' });
    await clock.advance(1_000);
    await stalled.reached;
    clock.block(2_000);
    stalled.resume();
    await clock.settle();
    expect(lease.isHeld).toBe(false);
    expect(lease.signal.reason).toMatchObject({ reason: 'deadline' });
  });
});

describe('extend', () => {
  it('moves the deadline, and later renewals do not pull it back', async () => {
    const { clock, store, manager } = createWorld({ ttlMs: 3_000 });
    const lease = await manager.acquire('x');
    await lease.extend(60_000);
    expect(lease.remainingMs).toBe(60_000);
    await clock.advance(5_000);
    expect(store.calls.renew).toBeGreaterThan(1);
    expect(lease.remainingMs).toBe(55_000);
    store.disconnect();
    await clock.advance(54_999);
    expect(lease.isHeld).toBe(true);
    await clock.advance(1);
    expect(lease.isHeld).toBe(false);
  });

  it('tells the store as much', async () => {
    const { clock, store, manager, peer } = createWorld({ ttlMs: 3_000 });
    const lease = await manager.acquire('x', { renew: false });
    await lease.extend(60_000);
    store.disconnect();
    const next = outcomeOf(peer.acquire('x'));
    await clock.advance(60_000);
    expect([lease.isHeld, next.status]).toEqual([false, 'pending']);
    await clock.advance(3_000);
    expect(next.status).toBe('fulfilled');
  });

  it('of many leases in one tick is one command, and the longest of two wins', async () => {
    const { store, manager, state } = createWorld({ ttlMs: 3_000 });
    const leases = [];
    for (const name of ['a', 'b', 'c']) leases.push(await manager.acquire(name));
    store.resetCalls();
    await Promise.all(leases.flatMap((lease) => [lease.extend(10_000), lease.extend(20_000)]));
    expect(store.calls.renew).toBe(1);
    for (const lease of leases) expect(lease.remainingMs).toBe(20_000);
    expect((await state('a')).holders[0]?.remainingMs).toBe(21_000);
  });

  it('of a short lease does not cut the time of a long one beside it', async () => {
    const { clock, store, manager } = createWorld({ ttlMs: 30_000 });
    const [long, short] = [await manager.acquire('long'), await manager.acquire('short', { ttlMs: 300 })];
    store.disconnect({ silent: true });
    const [ofLong, ofShort] = [outcomeOf(long.extend()), outcomeOf(short.extend())];
    await clock.advance(200);
    expect([ofLong.status, ofShort.code]).toEqual(['pending', 'LOCK_BACKEND_UNAVAILABLE']);
    await clock.advance(2_000);
    expect(ofLong.code).toBe('LOCK_BACKEND_UNAVAILABLE');
    expect(long.isHeld).toBe(true);
  });

  it('never moves it nearer', async () => {
    const { clock, manager } = createWorld({ ttlMs: 30_000 });
    const lease = await manager.acquire('x');
    await lease.extend(1_000);
    expect(lease.remainingMs).toBe(30_000);
    await clock.advance(2_000);
    expect(lease.isHeld).toBe(true);
  });

  it('without a number moves it by the ttl', async () => {
    const { clock, manager } = createWorld({ ttlMs: 3_000 });
    const lease = await manager.acquire('x', { renew: false });
    await clock.advance(2_000);
    await lease.extend();
    expect(lease.remainingMs).toBe(3_000);
  });

  it('leaves the deadline alone when the store does not answer', async () => {
    const { clock, store, manager } = createWorld({ ttlMs: 9_000, commandTimeoutMs: 1_000 });
    const lease = await manager.acquire('x', { renew: false });
    store.disconnect({ silent: true });
    const extended = outcomeOf(lease.extend(60_000));
    await clock.advance(1_000);
    expect(extended.code).toBe('LOCK_BACKEND_UNAVAILABLE');
    expect(lease.remainingMs).toBe(8_000);
  });

  it('of a lease that is gone says so', async () => {
    const { store, manager, isHeld } = createWorld();
    const lease = await manager.acquire('x');
    store.evict('x');
    expect(await rejection(lease.extend())).toMatchObject({ code: 'LOCK_LOST', reason: 'taken' });
    expect(lease.isHeld).toBe(false);
    const released = await manager.acquire('x');
    await released.release();
    expect(await rejection(released.extend())).toMatchObject({ code: 'LOCK_LOST', reason: 'released' });
    expect(await isHeld()).toBe(false);
  });

  it('checks its argument before it asks', async () => {
    const { store, manager } = createWorld();
    const lease = await manager.acquire('x');
    for (const ttlMs of [0, -1, 1.5, Number.POSITIVE_INFINITY, 2 ** 31]) {
      expect((await rejection(lease.extend(ttlMs))).code).toBe('LOCK_INVALID_ARGUMENT');
    }
    expect(store.calls.renew).toBe(0);
  });
});

describe('release', () => {
  it('answers every call what it answered the first', async () => {
    const { store, manager, isHeld } = createWorld();
    const lease = await manager.acquire('x');
    expect(await Promise.all([lease.release(), lease.release()])).toEqual([true, true]);
    expect(await lease.release()).toBe(true);
    expect(store.calls.release).toBe(1);
    expect(await isHeld()).toBe(false);
    expect([lease.isHeld, lease.remainingMs, lease.signal.aborted]).toEqual([false, 0, false]);
    expect(() => lease.assertHeld()).toThrow(expect.objectContaining({ code: 'LOCK_LOST', reason: 'released' }));
  });

  it('is false for a lease that was taken, and leaves the next holder alone', async () => {
    const { store, manager, peer } = createWorld();
    const lease = await manager.acquire('x');
    store.evict('x');
    const next = await peer.acquire('x');
    expect(await lease.release()).toBe(false);
    await next.extend();
    expect(next.isHeld).toBe(true);
  });

  it('rejects when the store does not answer, and goes on in the background', async () => {
    const world = createWorld({ ttlMs: 30_000, commandTimeoutMs: 1_000 });
    const { clock, store, manager, events, isHeld } = world;
    const lease = await manager.acquire('x');
    store.disconnect({ silent: true });
    const released = outcomeOf(lease.release());
    await clock.advance(999);
    expect([released.status, lease.isHeld]).toEqual(['pending', false]);
    await clock.advance(1);
    expect(released.code).toBe('LOCK_BACKEND_UNAVAILABLE');
    expect((await rejection(lease.release())).code).toBe('LOCK_BACKEND_UNAVAILABLE');
    await expect(lease[Symbol.asyncDispose]()).resolves.toBeUndefined();
    expect(events.map(({ type }) => type)).toContain('release-failed');
    expect(await isHeld()).toBe(true);
    store.reconnect();
    await clock.advance(5_000);
    expect(await isHeld()).toBe(false);
    await expectNothingLeft(world);
  });

  it('wraps what is not an error of ours', async () => {
    const { store, manager } = createWorld();
    const lease = await manager.acquire('x');
    store.failNext('release', { error: new TypeError('driver') });
    const error = await rejection(lease.release());
    expect(error).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', lockName: 'x', backend: 'memory' });
    expect(error).toBeInstanceOf(LockUnavailableError);
  });
});
