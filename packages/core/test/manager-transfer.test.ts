import { createLockManager, type LeaseTicket, type LockBackend, type LockManager } from '@holdfast/core';
import { createMemoryBackend } from '@holdfast/core/memory';
import { describe, expect, it } from 'vitest';
import { createWorld, expectNothingLeft, outcomeOf, rejection, type World } from './manager-world.js';

const roundTrip = (ticket: LeaseTicket): LeaseTicket => JSON.parse(JSON.stringify(ticket)) as LeaseTicket;

async function detached(world: World, ttlMs = 3_000): Promise<LeaseTicket> {
  return roundTrip(await world.manager.detach(await world.manager.acquire('x', { ttlMs })));
}

/** A backend that leaves it to core to compare tickets. */
function withoutAdopt(backend: LockBackend): LockBackend {
  return new Proxy(backend, {
    get(target, property) {
      if (property === 'adopt') return undefined;
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

describe('a lease that is detached', () => {
  it('has ended here, stands in the store for as long as was asked for, and is renewed by nobody', async () => {
    const world = createWorld({ ttlMs: 3_000 });
    const { clock, store, manager, events } = world;
    const lease = await manager.acquire('x');
    const { fencingToken } = lease;
    const ticket = await manager.detach(lease, { ttlMs: 9_000 });
    expect(ticket).toEqual({
      name: 'x',
      kind: 'lock',
      mode: 'exclusive',
      permits: 1,
      limit: 1,
      owner: expect.stringMatching(/^[0-9a-f]{32}$/) as string,
      fencingToken: String(fencingToken),
      ttlMs: 9_000,
    });
    expect([lease.isHeld, lease.remainingMs, lease.signal.aborted]).toEqual([false, 0, false]);
    expect(events.at(-1)).toMatchObject({ type: 'released', freed: false });
    expect(JSON.stringify(events)).not.toContain(ticket.owner);
    store.resetCalls();
    await clock.advance(8_900);
    expect(store.calls.renew).toBe(0);
    expect(await world.isHeld()).toBe(true);
    await clock.advance(2_000);
    expect(await world.isHeld()).toBe(false);
    await expectNothingLeft(world);
  });

  it('is left alone by its own release, by disposal and by the end of its manager', async () => {
    const world = createWorld();
    const { manager, peer } = world;
    let ticket: LeaseTicket;
    {
      await using lease = await manager.acquire('x');
      ticket = await manager.detach(lease);
      expect(await lease.release()).toBe(false);
    }
    await manager.close();
    expect(await world.isHeld()).toBe(true);
    expect(await (await peer.adopt(ticket)).release()).toBe(true);
    await expectNothingLeft(world);
  });

  it('keeps waiters of the same manager out until it ends', async () => {
    const world = createWorld();
    const { clock, manager, peer } = world;
    const lease = await manager.acquire('x');
    const next = outcomeOf(manager.acquire('x'));
    await clock.advance(10);
    const ticket = await manager.detach(lease);
    await clock.advance(5_000);
    expect(next.status).toBe('pending');
    await (await peer.adopt(ticket)).release();
    await clock.advance(2_100);
    expect(next.status).toBe('fulfilled');
    await expectNothingLeft(world);
  });

  it('stays what it was when the store does not answer', async () => {
    const world = createWorld({ ttlMs: 9_000 });
    const { clock, store, manager } = world;
    const lease = await manager.acquire('x');
    store.disconnect();
    const failed = outcomeOf(manager.detach(lease));
    await clock.advance(2_100);
    expect(failed.code).toBe('LOCK_BACKEND_UNAVAILABLE');
    store.reconnect();
    await clock.advance(20_000);
    expect(lease.isHeld).toBe(true);
    expect(await lease.release()).toBe(true);
    await expectNothingLeft(world);
  });

  it('is refused when it has ended, when it is of another manager, and when it is no lease', async () => {
    const world = createWorld();
    const { manager, peer } = world;
    const lease = await manager.acquire('x');
    expect((await rejection(peer.detach(lease))).code).toBe('LOCK_INVALID_ARGUMENT');
    expect((await rejection(manager.detach({ ...lease }))).code).toBe('LOCK_INVALID_ARGUMENT');
    expect((await rejection(manager.detach(lease, { ttlMs: 0 }))).code).toBe('LOCK_INVALID_ARGUMENT');
    await lease.release();
    expect(await rejection(manager.detach(lease))).toMatchObject({ code: 'LOCK_LOST', reason: 'released' });
    await expectNothingLeft(world);
  });
});

describe('a lease that is adopted', () => {
  it('goes on under its token, is renewed, and excludes everybody else', async () => {
    const world = createWorld();
    const { clock, manager, peer } = world;
    const ticket = await detached(world);
    await clock.advance(2_500);
    const lease = await peer.adopt(ticket);
    expect(lease).toMatchObject({ name: 'x', kind: 'lock', mode: 'exclusive', isHeld: true });
    expect(String(lease.fencingToken)).toBe(ticket.fencingToken);
    await clock.advance(60_000);
    expect(lease.isHeld).toBe(true);
    expect(await manager.tryAcquire('x')).toBeNull();
    expect(await lease.release()).toBe(true);
    const next = await manager.acquire('x');
    expect(next.fencingToken).toBeGreaterThan(BigInt(ticket.fencingToken ?? 0));
    await expectNothingLeft(world);
  });

  it('passes on as often as one likes, also back', async () => {
    const world = createWorld();
    const { manager, peer } = world;
    let ticket = await detached(world);
    for (const next of [peer, manager, manager, peer]) {
      const lease = await next.adopt(ticket, { renew: false });
      ticket = await next.detach(lease);
    }
    expect(await world.isHeld()).toBe(true);
    await (await peer.adopt(ticket)).release();
    await expectNothingLeft(world);
  });

  it('takes permits and both sides of a read/write lock along', async () => {
    const world = createWorld();
    const { manager, peer } = world;
    const permits = await manager.semaphore('s', { permits: 5 }).acquire({ permits: 3 });
    const adopted = await peer.adopt(await manager.detach(permits));
    expect(adopted).toMatchObject({ kind: 'semaphore', mode: 'permits', permits: 3, fencingToken: null });
    expect(await manager.semaphore('s', { permits: 5 }).tryAcquire({ permits: 3 })).toBeNull();
    const { read, write } = manager.readWriteLock('c');
    const reader = await peer.adopt(await manager.detach(await read.acquire()));
    expect(await write.tryAcquire()).toBeNull();
    await reader.release();
    const writer = await peer.adopt(await manager.detach(await write.acquire()));
    expect(await read.tryAcquire()).toBeNull();
    await Promise.all([writer.release(), adopted.release()]);
    await expectNothingLeft(world);
  });

  it.each([
    ['expired', async ({ clock }: World) => clock.advance(5_000)],
    ['been forced free', async ({ peer }: World) => peer.forceRelease('x')],
    [
      'expired, and is somebody else’s',
      async ({ clock, peer }: World) => {
        await clock.advance(5_000);
        await peer.acquire('x');
      },
    ],
  ])('is lost, and asked for no more, when it has %s', async (_, end) => {
    const world = createWorld();
    const { manager } = world;
    const ticket = await detached(world);
    await end(world);
    const before = await world.state();
    expect(await rejection(manager.adopt(ticket))).toMatchObject({ code: 'LOCK_LOST', reason: 'taken', lockName: 'x' });
    expect((await world.state()).holders.map(({ label }) => label)).toEqual(before.holders.map(({ label }) => label));
    await expectNothingLeft(world);
  });

  it('leaves the hold alone when the store does not answer, and when its manager closes meanwhile', async () => {
    const world = createWorld();
    const { clock, store, manager, peer } = world;
    const ticket = await detached(world, 60_000);
    store.disconnect();
    const failed = outcomeOf(manager.adopt(ticket));
    await clock.advance(2_100);
    expect(failed.code).toBe('LOCK_BACKEND_UNAVAILABLE');
    const closing = outcomeOf(manager.adopt(ticket));
    const closed = outcomeOf(manager.close());
    await clock.advance(5_000);
    expect([closing.status, closed.status]).toEqual(['rejected', 'fulfilled']);
    store.reconnect();
    expect(await world.isHeld()).toBe(true);
    await (await peer.adopt(ticket)).release();
    await expectNothingLeft(world);
  });

  it.each([
    ['by the backend', (backend: LockBackend) => backend],
    ['by what inspect shows', withoutAdopt],
  ])('is what its ticket says, compared %s', async (_, change) => {
    const world = createWorld();
    const { clock, store } = world;
    const open = (): LockManager => createLockManager(change(createMemoryBackend({ store: store.peer() })), { clock });
    const [from, to] = [open(), open()];
    const lock = await from.detach(await from.acquire('x'));
    const reader = await from.detach(await from.readWriteLock('x').read.acquire());
    const permits = await from.detach(await from.semaphore('x', { permits: 5 }).acquire({ permits: 2 }));
    for (const altered of [
      { ...lock, fencingToken: String(BigInt(lock.fencingToken ?? 0) + 1n) },
      { ...lock, fencingToken: null },
      { ...reader, mode: 'write' },
      { ...reader, fencingToken: '1' },
      { ...permits, permits: 3 },
    ] as const) {
      expect(await rejection(to.adopt(altered))).toMatchObject({ code: 'LOCK_LOST', reason: 'taken' });
    }
    for (const ticket of [lock, reader, permits]) expect(await (await to.adopt(ticket)).release()).toBe(true);
    await Promise.all([from.close(), to.close()]);
    await expectNothingLeft(world);
  });

  it('may not be another of as many permits, where the backend knows its owners', async () => {
    const world = createWorld();
    const { manager, peer } = world;
    const semaphore = manager.semaphore('x', { permits: 5 });
    const ticket = await manager.detach(await semaphore.acquire({ permits: 2 }));
    const three = await semaphore.acquire({ permits: 3 });
    expect((await rejection(peer.adopt({ ...ticket, permits: 3 }))).code).toBe('LOCK_LOST');
    await Promise.all([three.release(), (await peer.adopt(ticket)).release()]);
    await expectNothingLeft(world);
  });

  it('is refused to a manager that has the hold, or is about to', async () => {
    const world = createWorld();
    const { manager } = world;
    const ticket = await detached(world);
    const both = await Promise.allSettled([manager.adopt(ticket), manager.adopt(ticket)]);
    expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect((await rejection(manager.adopt(ticket))).code).toBe('LOCK_INVALID_ARGUMENT');
    await expectNothingLeft(world);
  });

  it.each([
    ['nothing', null],
    ['no owner', { owner: undefined }],
    ['another owner token than ours are', { owner: 'SECRET' }],
    ['a kind that there is not', { kind: 'mutex' }],
    ['a mode of another kind', { mode: 'read' }],
    ['permits of a lock', { permits: 2, limit: 2 }],
    ['a token that is none', { fencingToken: '-1' }],
    ['a token beyond 64 bits', { fencingToken: '9223372036854775808' }],
    ['a token that is a number', { fencingToken: 7 }],
    ['no ttl', { ttlMs: 0 }],
    ['an empty name', { name: '' }],
    ['something more', { scope: 'x' }],
  ])('is refused for a ticket with %s, and shows no owner token', async (_, change) => {
    const world = createWorld();
    const ticket = change === null ? null : { ...(await detached(world)), ...change };
    const error = await rejection(world.manager.adopt(ticket as LeaseTicket));
    expect(error.code).toBe('LOCK_INVALID_ARGUMENT');
    expect(error.message).not.toMatch(/SECRET|[0-9a-f]{32}/);
  });
});
