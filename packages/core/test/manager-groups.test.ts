import { describe, expect, it } from 'vitest';
import { createWorld, expectNothingLeft, outcomeOf, rejection, waitings } from './manager-world.js';

describe.each(waitings)('acquireAll with $waiting', ({ fair }) => {
  it("takes names in code-unit order whatever the caller's, each once", async () => {
    const world = createWorld({ fair });
    const { clock, manager, peer, isHeld } = world;
    const held = await peer.acquire('b');
    const all = outcomeOf(manager.acquireAll(['c', 'a', 'b', 'a', 'C']));
    await clock.advance(100);
    expect(await Promise.all(['C', 'a', 'c'].map((name) => isHeld(name)))).toEqual([true, true, false]);
    await held.release();
    await clock.settle();
    expect(all.value?.names).toEqual(['C', 'a', 'b', 'c']);
    expect([...(all.value ?? [])].map(({ name }) => name)).toEqual(['C', 'a', 'b', 'c']);
    expect(all.value?.get('b').isHeld).toBe(true);
    expect(() => all.value?.get('d' as 'a')).toThrow(expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT' }));
    expect(await all.value?.release()).toBe(true);
    expect(all.value?.isHeld).toBe(false);
    await expectNothingLeft(world);
  });

  it('never deadlocks with one that names them the other way round', async () => {
    const world = createWorld({ fair });
    const { clock, manager, peer } = world;
    const work = Array.from({ length: 20 }, (_, i) =>
      (i % 2 === 0 ? manager : peer).withAll(i % 3 === 0 ? ['a', 'b', 'c'] : ['c', 'b', 'a'], () => i),
    );
    const all = outcomeOf(Promise.all(work));
    await clock.advance(5_000);
    expect(all.value).toEqual(Array.from({ length: 20 }, (_, i) => i));
    await expectNothingLeft(world);
  });

  it('takes none when one is not to be had, and has one time budget', async () => {
    const world = createWorld({ fair });
    const { clock, manager, peer, isHeld } = world;
    const [a, c] = [await peer.acquire('a'), await peer.acquire('c')];
    const all = outcomeOf(manager.acquireAll(['a', 'b', 'c'], { waitMs: 1_000 }));
    await clock.advance(700);
    await a.release();
    await clock.advance(299);
    expect(all.status).toBe('pending');
    await clock.advance(1);
    expect(all.code).toBe('LOCK_TIMEOUT');
    await clock.settle();
    expect(await Promise.all(['a', 'b'].map((name) => isHeld(name)))).toEqual([false, false]);
    expect(c.isHeld).toBe(true);
    await expectNothingLeft(world);
  });

  it('that was answered "busy" and heard nothing more until its wait ran out has timed out', async () => {
    const { clock, store, manager, peer } = createWorld({ fair });
    await peer.acquire('a');
    const batch = store.stallNext('attempt');
    const all = outcomeOf(manager.acquireAll(['a', 'b'], { waitMs: 500 }));
    await batch.reached;
    store.stallNext(fair ? 'wait' : 'attempt');
    batch.resume();
    await clock.advance(500);
    store.disconnect({ silent: true });
    await clock.advance(1_000);
    expect(all.error).toMatchObject({ code: 'LOCK_TIMEOUT', lockName: 'a' });
  });

  it('that the store failed until its wait ran out says how the store failed', async () => {
    const world = createWorld({ fair });
    const { clock, store, manager } = world;
    store.disconnect({ silent: true });
    const all = outcomeOf(manager.acquireAll(['a', 'b'], { waitMs: 500 }));
    await clock.advance(499);
    // The request fails, and what is asked in the last millisecond is not answered.
    store.disconnect();
    store.disconnect({ silent: true });
    await clock.advance(1_000);
    expect(all.error).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', message: 'memory: the connection to the store ended' });
    await expectNothingLeft(world);
  });

  it('takes none when it is aborted', async () => {
    const { clock, manager, peer, isHeld } = createWorld({ fair });
    await peer.acquire('b');
    const controller = new AbortController();
    const all = outcomeOf(manager.acquireAll(['a', 'b'], { signal: controller.signal }));
    await clock.advance(100);
    expect(await isHeld('a')).toBe(true);
    controller.abort(new Error('enough'));
    await clock.settle();
    expect(all.error).toMatchObject({ message: 'enough' });
    expect(await isHeld('a')).toBe(false);
  });

  it('does not return with a hold that was lost while it waited for the next', async () => {
    const { clock, store, manager, peer, isHeld } = createWorld({ fair, ttlMs: 3_000 });
    const b = await peer.acquire('b');
    const all = outcomeOf(manager.acquireAll(['a', 'b']));
    await clock.advance(100);
    store.evict('a');
    await clock.advance(1_500);
    await b.release();
    await clock.advance(100);
    expect(all.status === 'pending' || all.code === 'LOCK_LOST' || all.value?.isHeld === true).toBe(true);
    if (all.code === 'LOCK_LOST') expect(await Promise.all(['a', 'b'].map((name) => isHeld(name)))).toEqual([false, false]);
  });
});

describe('a group', () => {
  it('is lost when one of it is lost, and still frees the rest', async () => {
    const { clock, store, manager, isHeld } = createWorld({ ttlMs: 3_000 });
    const group = await manager.acquireAll(['a', 'b', 'c']);
    store.evict('b');
    await clock.advance(1_100);
    expect([group.isHeld, group.remainingMs, group.signal.aborted]).toEqual([false, 0, true]);
    expect(group.signal.reason).toMatchObject({ code: 'LOCK_LOST', lockName: 'b', reason: 'taken' });
    expect(group.get('a').isHeld).toBe(true);
    expect(() => group.assertHeld()).toThrow(expect.objectContaining({ code: 'LOCK_LOST' }));
    expect(await group.release()).toBe(false);
    expect(await Promise.all(['a', 'b', 'c'].map((name) => isHeld(name)))).toEqual([false, false, false]);
  });

  it('is renewed and freed in one command each', async () => {
    const { clock, store, manager } = createWorld({ ttlMs: 3_000 });
    const group = await manager.acquireAll(['a', 'b', 'c']);
    await clock.advance(1_100);
    expect(store.calls.renew).toBe(1);
    await group.release();
    expect(store.calls.release).toBe(1);
  });

  it('extends all its holds', async () => {
    const { manager } = createWorld({ ttlMs: 3_000 });
    const group = await manager.acquireAll(['a', 'b']);
    await group.extend(60_000);
    expect([...group].map(({ remainingMs }) => remainingMs)).toEqual([60_000, 60_000]);
    await group.release();
    expect(await rejection(group.extend())).toMatchObject({ code: 'LOCK_LOST', reason: 'released' });
  });

  it('shows its tokens in JSON', async () => {
    const { manager } = createWorld();
    const group = await manager.acquireAll(['a', 'b']);
    const json = JSON.stringify(group);
    for (const { fencingToken } of group) expect(json).toContain(`"${fencingToken}"`);
    const lease = group.get('a');
    expect(JSON.parse(JSON.stringify(lease))).toMatchObject({ name: 'a', fencingToken: String(lease.fencingToken), isHeld: true });
  });
});

describe('tryAcquireEach', () => {
  it('takes what is free in one round trip', async () => {
    const { store, manager, peer } = createWorld();
    await peer.acquire('name 7');
    const names = Array.from({ length: 1_000 }, (_, i) => `name ${i}`);
    const leases = await manager.tryAcquireEach([...names, 'name 1']);
    expect(store.calls.attempt).toBe(1);
    expect(leases.size).toBe(999);
    expect(leases.has('name 7')).toBe(false);
    expect([...leases.values()].every((lease) => lease.isHeld)).toBe(true);
    expect(JSON.parse(JSON.stringify(leases))).toMatchObject({ 'name 1': { fencingToken: String(leases.get('name 1')?.fencingToken) } });
    await leases.get('name 2')?.release();
    store.resetCalls();
    expect(await leases.releaseAll()).toBe(998);
    expect(store.calls.release).toBe(1);
    expect(await leases.releaseAll()).toBe(0);
    await leases[Symbol.asyncDispose]();
  });

  it('rejects and frees all when an answer is unknown', async () => {
    const world = createWorld();
    const { clock, store, manager, isHeld } = world;
    store.failNext('attempt', { performed: true });
    const tried = outcomeOf(manager.tryAcquireEach(['a', 'b']));
    await clock.advance(1_000);
    expect(tried.code).toBe('LOCK_BACKEND_UNAVAILABLE');
    expect(await Promise.all(['a', 'b'].map((name) => isHeld(name)))).toEqual([false, false]);
    await expectNothingLeft(world);
  });
});
