import { type CallContext, createLockManager, type HoldRequest, type LockBackend } from '@holdfast/core';
import { createMemoryBackend } from '@holdfast/core/memory';
import { createManualClock, createTestMemoryStore } from '@holdfast/core/testing';
import { describe, expect, it } from 'vitest';
import { createWorld, expectNothingLeft, outcomeOf, rejection } from './manager-world.js';

describe('the deadline of a lease', () => {
  it('is reported in time while the network is silent, and before the store gives the lock to anybody', async () => {
    const world = createWorld({ ttlMs: 3_000 });
    const { clock, store, manager, peer } = world;
    const lease = await manager.acquire('x');
    store.disconnect({ silent: true });
    const next = outcomeOf(peer.acquire('x'));
    await clock.advance(2_999);
    expect([lease.isHeld, lease.signal.aborted, lease.remainingMs]).toEqual([true, false, 1]);
    await clock.advance(1);
    expect([lease.isHeld, lease.signal.aborted, lease.remainingMs]).toEqual([false, true, 0]);
    expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'deadline', lockName: 'x', fencingToken: lease.fencingToken });
    expect(() => lease.assertHeld()).toThrow(expect.objectContaining({ code: 'LOCK_LOST', reason: 'deadline' }));
    expect(next.status).toBe('pending');
    await clock.advance(300);
    expect(next.value?.isHeld).toBe(true);
    expect(next.value?.fencingToken).toBeGreaterThan(lease.fencingToken);
    await next.value?.release();
    await expectNothingLeft(world);
  });

  it('is seen at once by a process that was stopped, before any timer fires', async () => {
    const { clock, manager } = createWorld({ ttlMs: 3_000 });
    const lease = await manager.acquire('x');
    clock.block(3_000);
    expect([lease.isHeld, lease.remainingMs, lease.signal.aborted]).toEqual([false, 0, true]);
  });

  it('is never later than what the backend can vouch for', async () => {
    const clock = createManualClock();
    const vouched = new Map<string, number>();
    const memory = createMemoryBackend({ store: createTestMemoryStore({ clock }) });
    const backend: LockBackend<bigint> = Object.assign(Object.create(memory) as LockBackend<bigint>, {
      onLimitDiffers: undefined,
      remainingMs: (owner: string) => (vouched.get(owner) ?? 0) - clock.now(),
      attempt: async (requests: readonly HoldRequest[], call: CallContext) => {
        for (const { owner } of requests) vouched.set(owner, clock.now() + 500);
        return await memory.attempt(requests, call);
      },
    });
    const manager = createLockManager(backend, { clock, ttlMs: 3_000 });
    const lease = await manager.tryAcquire('x');
    expect([lease?.isHeld, lease?.remainingMs]).toEqual([true, 500]);
    clock.block(499);
    expect([lease?.isHeld, lease?.remainingMs]).toEqual([true, 1]);
    clock.block(1);
    expect([lease?.isHeld, lease?.remainingMs, lease?.signal.aborted]).toEqual([false, 0, true]);
  });

  it('that passes while an extension is not answered is reported by the extension too', async () => {
    const { clock, store, manager } = createWorld({ ttlMs: 3_000 });
    const lease = await manager.acquire('x', { renew: false });
    await clock.advance(1_500);
    store.disconnect({ silent: true });
    const early = outcomeOf(lease.extend());
    await clock.advance(1_000);
    const late = outcomeOf(lease.extend());
    await clock.advance(1_000);
    expect([early.code, late.code, late.error]).toEqual(['LOCK_BACKEND_UNAVAILABLE', 'LOCK_LOST', lease.signal.reason]);
  });

  it('may be listened for by any number, without a warning', async () => {
    const { manager } = createWorld();
    const group = await manager.acquireAll(['x', 'y']);
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on('warning', onWarning);
    for (const signal of [group.signal, group.get('x').signal]) {
      for (let i = 0; i < 50; i += 1) signal.addEventListener('abort', () => {});
    }
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', onWarning);
    expect(warnings).toEqual([]);
  });

  it('is seen by the signal alone', async () => {
    const { clock, manager } = createWorld({ ttlMs: 3_000 });
    const lease = await manager.acquire('x');
    clock.block(3_000);
    expect(lease.signal.aborted).toBe(true);
  });

  it('passes while the machine sleeps, though the monotonic clock stands still', async () => {
    const { clock, manager } = createWorld({ ttlMs: 3_000 });
    const lease = await manager.acquire('x');
    clock.suspend(2_999);
    expect([lease.isHeld, lease.remainingMs]).toEqual([true, 1]);
    clock.suspend(1);
    expect(lease.isHeld).toBe(false);
  });

  it('does not move when the wall clock is set back', async () => {
    const { clock, store, manager } = createWorld({ ttlMs: 3_000 });
    const lease = await manager.acquire('x');
    store.disconnect();
    clock.jumpWall(-3_600_000);
    await clock.advance(2_999);
    expect(lease.isHeld).toBe(true);
    await clock.advance(1);
    expect(lease.isHeld).toBe(false);
  });

  it('once passed, stays passed', async () => {
    const { clock, manager } = createWorld({ ttlMs: 3_000 });
    const lease = await manager.acquire('x');
    clock.suspend(3_000);
    expect(lease.isHeld).toBe(false);
    clock.jumpWall(-3_600_000);
    await clock.settle();
    expect([lease.isHeld, lease.signal.aborted]).toEqual([false, true]);
    expect((await rejection(lease.extend())).code).toBe('LOCK_LOST');
  });

  it('counts from before the request was sent, not from its reply', async () => {
    const { clock, store, manager } = createWorld({ ttlMs: 9_000, commandTimeoutMs: 2_000 });
    const stalled = store.stallNext({ name: 'x' }, { at: 'reply' });
    const acquired = outcomeOf(manager.tryAcquire('x', { renew: false }));
    await stalled.reached;
    await clock.advance(1_500);
    stalled.resume();
    await clock.settle();
    expect(acquired.value?.remainingMs).toBe(7_500);
  });

  it('refuses a grant that comes after it, and frees it', async () => {
    const world = createWorld({ ttlMs: 1_000, commandTimeoutMs: 5_000 });
    const { clock, store, manager } = world;
    const stalled = store.stallNext('attempt', { at: 'reply' });
    const tried = outcomeOf(manager.tryAcquire('x'));
    await stalled.reached;
    // The process is stopped meanwhile, so that no timer of its own ends the call before.
    clock.block(1_000);
    expect(await world.isHeld()).toBe(true);
    stalled.resume();
    await clock.settle();
    expect([tried.status, tried.code]).toEqual(['rejected', 'LOCK_BACKEND_UNAVAILABLE']);
    expect(await world.isHeld()).toBe(false);
    await expectNothingLeft(world);
  });

  it('with renew: false is the ttl, which verifying does not lengthen', async () => {
    const { clock, manager, isHeld } = createWorld({ ttlMs: 3_000 });
    const lease = await manager.acquire('x', { renew: false });
    await clock.advance(2_999);
    expect(lease.isHeld).toBe(true);
    await clock.advance(1);
    expect(lease.signal.reason).toMatchObject({ reason: 'deadline' });
    await clock.advance(300);
    expect(await isHeld()).toBe(false);
  });

  it('is maxHoldMs for a task that hangs, and frees the lock', async () => {
    const { clock, manager, isHeld } = createWorld({ ttlMs: 3_000 });
    const lease = await manager.acquire('x', { maxHoldMs: 10_000 });
    await clock.advance(9_999);
    expect([lease.isHeld, lease.remainingMs]).toEqual([true, 1]);
    await clock.advance(1);
    expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'max-hold' });
    await clock.settle();
    expect(await isHeld()).toBe(false);
    expect(await lease.release()).toBe(false);
  });
});
