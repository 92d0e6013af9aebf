import { createLockManager } from '@holdfast/core';
import { createMemoryBackend } from '@holdfast/core/memory';
import { describe, expect, it } from 'vitest';
import { createWorld, expectNothingLeft, outcomeOf, rejection, waitings } from './manager-world.js';
import { altered } from './mutants/mutant.js';

describe.each(waitings)('close with $waiting', ({ fair }) => {
  it('rejects those who wait, and refuses new calls', async () => {
    const world = createWorld({ fair });
    const { clock, manager, peer, events } = world;
    await peer.acquire('x');
    const waiting = [outcomeOf(manager.acquire('x')), outcomeOf(manager.acquire('x')), outcomeOf(manager.acquireAll(['a', 'x']))];
    await clock.advance(100);
    const closed = outcomeOf(manager.close());
    await clock.settle();
    expect(waiting.map(({ code }) => code)).toEqual(['LOCK_CLOSED', 'LOCK_CLOSED', 'LOCK_CLOSED']);
    expect(closed.status).toBe('fulfilled');
    const calls: readonly (() => Promise<unknown>)[] = [
      () => manager.acquire('x'),
      () => manager.tryAcquire('x'),
      () => manager.withLock('x', () => 5),
      () => manager.tryAcquireEach(['x']),
      () => manager.inspect('x'),
      () => manager.forceRelease('x'),
      () => manager.semaphore('x', { permits: 1 }).acquire(),
      () => manager.readWriteLock('x').read.tryAcquire(),
      async () => manager.marks?.has('x'),
    ];
    for (const call of calls) expect((await rejection(call())).code).toBe('LOCK_CLOSED');
    expect(await manager.checkHealth()).toMatchObject({ ok: false, error: { code: 'LOCK_CLOSED' } });
    expect(events.filter(({ type }) => type === 'not-granted').every((event) => 'outcome' in event && event.outcome === 'closed')).toBe(
      true,
    );
    await expectNothingLeft(world);
  });

  it('says closed to a group whatever it is doing at that moment', async () => {
    for (let ticks = 0; ticks < 60; ticks++) {
      const { clock, manager, peer } = createWorld({ fair });
      await peer.acquire('b');
      // What is behind the busy name is taken and freed again before the wait for that name begins.
      const group = outcomeOf(manager.acquireAll(['a', 'b', 'c']));
      for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
      await manager.close();
      await clock.settle();
      expect([ticks, group.code]).toEqual([ticks, 'LOCK_CLOSED']);
      await peer.close();
    }
  });

  it('aborts the signal of what is still held before the store frees it', async () => {
    const world = createWorld({ fair });
    const { clock, manager, peer, isHeld } = world;
    const lease = await manager.acquire('x');
    const next = outcomeOf(peer.acquire('x'));
    await clock.settle();
    let wasHeldAtAbort = Promise.resolve(false);
    lease.signal.addEventListener('abort', () => {
      wasHeldAtAbort = isHeld();
    });
    await manager.close();
    expect(await wasHeldAtAbort).toBe(true);
    expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'closed' });
    expect([lease.isHeld, await lease.release()]).toEqual([false, false]);
    await clock.settle();
    expect(next.value?.isHeld).toBe(true);
    await expectNothingLeft(world);
  });

  it('gives holders the time to finish', async () => {
    const world = createWorld({ fair, ttlMs: 3_000 });
    const { clock, manager } = world;
    const [early, late] = [await manager.acquire('early'), await manager.acquire('late')];
    const closed = outcomeOf(manager.close({ drainMs: 10_000 }));
    await clock.advance(5_000);
    // Renewed all the while.
    expect([early.isHeld, late.isHeld, closed.status]).toEqual([true, true, 'pending']);
    expect(await early.release()).toBe(true);
    await clock.advance(4_999);
    expect([late.isHeld, closed.status]).toEqual([true, 'pending']);
    await clock.advance(1);
    expect(late.signal.reason).toMatchObject({ reason: 'closed' });
    expect([early.signal.aborted, closed.status]).toEqual([false, 'fulfilled']);
    await expectNothingLeft(world);
  });

  it('ends as soon as the last holder has finished', async () => {
    const { clock, manager } = createWorld({ fair });
    const lease = await manager.acquire('x');
    const closed = outcomeOf(manager.close({ drainMs: 60_000 }));
    await clock.advance(1_000);
    await lease.release();
    await clock.settle();
    expect(closed.status).toBe('fulfilled');
  });

  it('is idempotent, and one promise for all who call it', async () => {
    const { clock, manager } = createWorld({ fair });
    await manager.acquire('x');
    const closed = [outcomeOf(manager.close({ drainMs: 1_000 })), outcomeOf(manager.close({ drainMs: 1_000 }))];
    await clock.advance(999);
    expect(closed.map(({ status }) => status)).toEqual(['pending', 'pending']);
    await clock.advance(1);
    expect(closed.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
    await manager.close();
    await manager[Symbol.asyncDispose]();
  });

  it('ends though the store is silent', async () => {
    const world = createWorld({ fair });
    const { clock, store, manager } = world;
    const lease = await manager.acquire('x');
    outcomeOf(manager.acquire('x'));
    await clock.settle();
    store.disconnect({ silent: true });
    const closed = outcomeOf(manager.close());
    await clock.settle();
    expect(lease.signal.aborted).toBe(true);
    await clock.advance(10_000);
    expect(closed.status).toBe('fulfilled');
    await clock.advance(40_000);
    await expectNothingLeft(world);
  });

  it('frees what is granted while it closes', async () => {
    const world = createWorld({ fair });
    const { clock, store, manager, isHeld } = world;
    const stalled = store.stallNext({ name: 'x' }, { at: 'reply' });
    const acquired = outcomeOf(manager.acquire('x'));
    await stalled.reached;
    const closed = outcomeOf(manager.close());
    await clock.settle();
    expect(acquired.code).toBe('LOCK_CLOSED');
    stalled.resume();
    await clock.advance(5_000);
    expect([closed.status, await isHeld()]).toEqual(['fulfilled', false]);
    await expectNothingLeft(world);
  });

  it('leaves every call that is under way its own deadline', async () => {
    const world = createWorld({ fair });
    const { clock, store, manager, peer } = world;
    await peer.acquire('x');
    const lease = await manager.acquire('y');
    const waiting = outcomeOf(manager.acquire('x', { waitMs: 100 }));
    await clock.advance(99);
    store.stallNext('inspect');
    store.stallNext('inspect');
    store.stallNext({ call: 'release', name: 'y' });
    await clock.advance(1);
    const pending = [waiting, outcomeOf(manager.inspect('y')), outcomeOf(lease.release())];
    const closed = outcomeOf(manager.close());
    await clock.advance(60_000);
    expect(closed.status).toBe('fulfilled');
    expect(pending.map(({ code }) => code)).toEqual(['LOCK_TIMEOUT', 'LOCK_BACKEND_UNAVAILABLE', 'LOCK_BACKEND_UNAVAILABLE']);
    await expectNothingLeft(world);
  });

  it('at the moment of a grant tells of no end that has no beginning', async () => {
    for (const take of ['acquire', 'tryAcquire'] as const) {
      const told = new Set<string>();
      for (let ticks = 0; ticks < 12; ticks++) {
        const world = createWorld({ fair });
        const { clock, manager, events } = world;
        const taken = outcomeOf(manager[take]('x'));
        for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
        const closed = outcomeOf(manager.close());
        await clock.advance(100);
        expect(closed.status).toBe('fulfilled');
        told.add([taken.status, taken.code, ...events.map(({ type }) => type)].join(' '));
        await expectNothingLeft(world);
      }
      expect([...told]).toEqual(['rejected LOCK_CLOSED not-granted', 'fulfilled  granted lost']);
    }
  });
});

it.each(['request', 'reply'] as const)('frees a grant of a queue whose confirmation is under way when it closes, at its %s', async (at) => {
  const { clock, store, isHeld } = createWorld();
  const own = store.peer();
  const memory = createMemoryBackend({ store: own });
  const backend = altered(memory, {
    async wait(request, call) {
      const { granted = true as const, fencingToken = 0n } = (await memory.wait?.(request, call)) ?? {};
      return { granted, fencingToken };
    },
  });
  const manager = createLockManager(backend, { clock });
  const stalled = own.stallNext('renew', { at });
  const acquired = outcomeOf(manager.acquire('x'));
  await stalled.reached;
  const closed = outcomeOf(manager.close());
  await clock.settle();
  expect([acquired.code, closed.status, await isHeld()]).toEqual(['LOCK_CLOSED', 'fulfilled', false]);
  stalled.resume();
  await clock.settle();
  expect(await isHeld()).toBe(false);
});
