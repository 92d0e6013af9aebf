import { adaptLegacyLock, createMigratingLockManager } from '@holdfast/migration';
import { createLockManager } from '@holdfast/core';
import { createMemoryBackend, createMemoryLockManager } from '@holdfast/core/memory';
import { createManualClock, createTestMemoryStore } from '@holdfast/core/testing';
import { until } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { KeyLocks } from './legacy/legacy-locks.js';
import { isPending, MigrationWorld } from './migration-world.js';

describe('a lease in the phase "both"', () => {
  it('stands on both sides, taken in a fixed order and freed in reverse', async () => {
    await using world = new MigrationWorld();
    const { manager, steps } = world.process('both');
    const lease = await manager.acquire('x');
    expect([(await world.only.from.inspect('x')).held, (await world.only.to.inspect('x')).held]).toEqual([true, true]);
    expect(await lease.release()).toBe(true);
    expect(steps).toEqual(['granted from', 'granted to', 'released to', 'released from']);
    expect(world.isEmpty).toBe(true);
  });

  it.each(['from', 'to'] as const)('is lost when its hold on "%s" is lost, and frees the other', async (side) => {
    await using world = new MigrationWorld();
    const process = world.process('both', { ttlMs: 300 });
    const lease = await process.manager.acquire('x');
    expect(await world.only[side].forceRelease('x')).toBe(true);
    await until('the loss is reported', () => lease.signal.aborted);
    expect(lease.isHeld).toBe(false);
    expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST' });
    await until('the other side is free', () => world.isEmpty);
    expect(await lease.release()).toBe(false);
  });

  it('ends no later than either side believes', async () => {
    const clock = createManualClock();
    const keys = new KeyLocks();
    const fixed = { tryLock: keys.tryLock.bind(keys), unlock: keys.unlock.bind(keys), isLocked: keys.isLocked.bind(keys), leaseMs: 500 };
    await using manager = createMigratingLockManager({
      from: adaptLegacyLock(fixed, { clock }),
      to: createMemoryLockManager({ clock }),
      phase: 'both',
      clock,
      ttlMs: 3_000,
    });
    const lease = await manager.acquire('x');
    expect(lease.remainingMs).toBe(500);
    clock.block(500);
    expect([lease.isHeld, lease.signal.aborted]).toEqual([false, true]);
    await manager.close();
  });

  it('has one time budget for both sides, and leaves nothing when it runs out', async () => {
    await using world = new MigrationWorld();
    const { manager } = world.process('both');
    const [old, present] = [await world.only.from.acquire('x'), await world.only.to.acquire('x')];
    const startedAt = performance.now();
    const waiting = manager.acquire('x', { waitMs: 600 });
    await new Promise((resolve) => setTimeout(resolve, 400));
    await old.release();
    await expect(waiting).rejects.toMatchObject({ code: 'LOCK_TIMEOUT' });
    expect(performance.now() - startedAt).toBeLessThan(1_500);
    await until('the first side is freed', async () => !(await world.only.from.inspect('x')).held);
    await present.release();
  });

  it('is kept on the first side while it waits for the second', async () => {
    await using world = new MigrationWorld();
    const { manager } = world.process('both', { ttlMs: 1_800 });
    const busy = await world.only.to.acquire('x');
    const waiting = manager.acquire('x');
    await until('the first side is taken', async () => (await world.only.from.inspect('x')).held);
    // Longer than its ttl and guard.
    const end = performance.now() + 2_500;
    while (performance.now() < end) {
      expect(await world.only.from.tryAcquire('x')).toBeNull();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await busy.release();
    const lease = await waiting;
    expect(lease.isHeld).toBe(true);
    await lease.release();
  });

  it('is waited for anew when the first side is lost meanwhile', async () => {
    await using world = new MigrationWorld();
    const { manager } = world.process('both', { ttlMs: 300 });
    const busy = await world.only.to.acquire('x');
    const waiting = manager.acquire('x');
    await until('the first side is taken', async () => (await world.only.from.inspect('x')).held);
    await world.only.from.forceRelease('x');
    const thief = await world.only.from.acquire('x');
    await until('it waits for the first side again', async () => (await world.only.from.inspect('x')).waiters === 1);
    await busy.release();
    expect(await isPending(waiting)).toBe(true);
    await thief.release();
    const lease = await waiting;
    expect([lease.isHeld, (await world.only.from.inspect('x')).held]).toEqual([true, true]);
    await lease.release();
  });

  it('has the target’s fencing token, and none before the target is used', async () => {
    await using world = new MigrationWorld();
    const { manager, to } = world.process('from');
    expect(manager.capabilities.fencing).toBe(false);
    expect(await manager.withLock('x', ({ fencingToken }) => fencingToken)).toBeNull();
    await manager.setPhase('both');
    expect(manager.capabilities.fencing).toBe(true);
    const first = await manager.withLock('x', ({ fencingToken }) => fencingToken);
    const second = await to.manager.withLock('x', ({ fencingToken }) => fencingToken);
    await manager.setPhase('to');
    const third = await manager.withLock('x', ({ fencingToken }) => fencingToken);
    expect(first).toBeTypeOf('bigint');
    expect(second).toBeGreaterThan(first ?? 0n);
    expect(third).toBeGreaterThan(second ?? 0n);
  });

  it('that the process leaves behind ends on both sides with its ttl', async () => {
    await using world = new MigrationWorld();
    const process = world.process('both', { ttlMs: 300 });
    await process.manager.acquire('x');
    process.from.store.disconnect({ silent: true });
    process.to.store.disconnect({ silent: true });
    const next = world.process('both');
    const startedAt = performance.now();
    await (await next.manager.acquire('x', { waitMs: 5_000 })).release();
    expect(performance.now() - startedAt).toBeLessThan(2_500);
  });
});

describe('taking both sides', () => {
  it('frees the first when the second is busy', async () => {
    await using world = new MigrationWorld();
    const { manager } = world.process('both');
    const busy = await world.only.to.acquire('x');
    expect(await manager.tryAcquire('x')).toBeNull();
    expect(world.stores.from.size).toBe(0);
    await busy.release();
  });

  it.each(['from', 'to'] as const)('is unavailable and leaves nothing when "%s" is out of reach', async (side) => {
    await using world = new MigrationWorld();
    const process = world.process('both', { unavailableAfterMs: 200 });
    process[side].store.disconnect();
    await expect(process.manager.tryAcquire('x')).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    await expect(process.manager.acquire('x', { waitMs: 3_000 })).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    expect(await process.manager.checkHealth()).toMatchObject({ ok: false });
    process[side].store.reconnect();
    await until('nothing is left', () => world.isEmpty);
    expect(await process.manager.checkHealth()).toMatchObject({ ok: true });
  });

  it('is refused with the reason where both sides are one store, instead of waiting for itself', async () => {
    const store = createTestMemoryStore();
    const side = () => createLockManager(createMemoryBackend({ store: store.peer() }));
    await using manager = createMigratingLockManager({ from: side(), to: side(), phase: 'both' });
    const refused = { code: 'LOCK_BACKEND_UNAVAILABLE', retryable: false, message: expect.stringContaining('same locks') as string };
    await expect(manager.acquire('x')).rejects.toMatchObject(refused);
    await expect(manager.tryAcquire('x')).rejects.toMatchObject(refused);
    await expect(manager.semaphore('x', { permits: 1 }).acquire()).rejects.toMatchObject(refused);
    expect(await manager.checkHealth()).toMatchObject({ ok: false, error: refused });
    await until('nothing is left', () => store.size === 0);
  });

  it('looks at a busy second side once, and goes on waiting where the sides are two', async () => {
    await using world = new MigrationWorld();
    const process = world.process('both');
    const busy = await world.only.to.acquire('x');
    const waiting = process.manager.acquire('x');
    await until('both sides were looked at', () => process.steps.filter((step) => step === 'released to').length === 1);
    expect(await isPending(waiting)).toBe(true);
    await busy.release();
    await (await waiting).release();
    expect(process.steps.filter((step) => step.endsWith(' to'))).toEqual(['granted to', 'released to', 'granted to', 'released to']);
  });

  it('of many names asks each side once', async () => {
    await using world = new MigrationWorld();
    const process = world.process('both');
    const busy = await world.only.to.acquire('b');
    // The first time that the second side refuses, both are looked at.
    expect(await process.manager.tryAcquire('b')).toBeNull();
    process.from.store.resetCalls();
    process.to.store.resetCalls();
    await using leases = await process.manager.tryAcquireEach(['a', 'b', 'c']);
    expect([...leases.keys()]).toEqual(['a', 'c']);
    expect([process.from.store.calls.attempt, process.to.store.calls.attempt]).toEqual([1, 1]);
    expect((await world.only.from.inspect('b')).held).toBe(false);
    await busy.release();
  });

  it('asks only the side of its phase', async () => {
    await using world = new MigrationWorld();
    const process = world.process('from');
    process.to.store.disconnect();
    await process.manager.withLock('x', () => {});
    expect(await process.manager.checkHealth()).toMatchObject({ ok: true });
    await process.manager.setPhase('both');
    expect(await process.manager.checkHealth()).toMatchObject({ ok: false });
  });
});

describe('what both sides say', () => {
  it('is reported as one: a holder on both once, one on either as well', async () => {
    await using world = new MigrationWorld();
    const { manager } = world.process('both', { label: 'on both' });
    const lease = await manager.acquire('both');
    const [old, present] = [await world.only.from.acquire('old'), await world.only.to.acquire('new')];
    expect((await manager.inspect('both')).holders).toMatchObject([{ label: 'on both', fencingToken: lease.fencingToken }]);
    expect((await manager.inspect('old')).holders).toMatchObject([{ label: 'only from', fencingToken: null }]);
    expect((await manager.inspect('new')).holders).toMatchObject([{ label: 'only to', fencingToken: present.fencingToken }]);
    expect((await manager.inspect('none')).held).toBe(false);
    const names: string[] = [];
    for await (const state of manager.list()) names.push(state.name);
    expect(names.sort()).toEqual(['both', 'new', 'old']);
    await Promise.all([lease, old, present].map((one) => one.release()));
  });

  it('is freed by force on both', async () => {
    await using world = new MigrationWorld();
    const { manager } = world.process('both');
    const lease = await manager.acquire('x');
    const stranger = world.process('both');
    expect(await stranger.manager.forceRelease('x')).toBe(true);
    expect(world.isEmpty).toBe(true);
    expect(await lease.release()).toBe(false);
  });
});

describe('close', () => {
  it('ends both sides, after a release that is under way has freed both', async () => {
    await using world = new MigrationWorld();
    const { manager, from, to } = world.process('both');
    const lease = await manager.acquire('x');
    const released = lease.release();
    await manager.close();
    expect(await released).toBe(true);
    expect(world.isEmpty).toBe(true);
    for (const side of [from, to]) await expect(side.manager.tryAcquire('y')).rejects.toMatchObject({ code: 'LOCK_CLOSED' });
    await expect(manager.setPhase('to')).rejects.toMatchObject({ code: 'LOCK_CLOSED' });
  });
});
