import { adaptLegacyLock, createMigratingLockManager, type LegacyLock } from '@holdfast/migration';
import { createMemoryLockManager } from '@holdfast/core/memory';
import { until } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { ClientLocks, KeyLocks, SharedLocks } from './legacy/legacy-locks.js';

describe('a legacy lock', () => {
  it('can do what it can do, and says so', async () => {
    await using keys = adaptLegacyLock(new KeyLocks());
    await using clients = adaptLegacyLock(new ClientLocks());
    const none = { fencing: false, semaphores: false, readWriteLocks: false, fair: false, push: false, marks: false, list: false };
    expect(keys.capabilities).toEqual({ ...none, expiry: 'ttl' });
    expect(clients.capabilities).toEqual({ ...none, expiry: 'session' });
    expect([keys.backend, clients.backend, keys.marks]).toEqual(['keys', 'clients', null]);
    expect(await keys.withLock('x', ({ fencingToken }) => fencingToken)).toBeNull();
  });

  it('needs no more than tryLock and unlock, and what it then cannot tell is said', async () => {
    const keys = new Set<string>(['theirs']);
    await using manager = adaptLegacyLock({
      tryLock: (name) => !keys.has(name) && keys.add(name),
      unlock: (name) => keys.delete(name),
    });
    const lease = await manager.acquire('x', { ttlMs: 10_000 });
    expect([await manager.tryAcquire('x'), await manager.tryAcquire('theirs'), (await manager.inspect('x')).held]).toEqual([
      null,
      null,
      true,
    ]);
    await expect(manager.acquire('theirs', { waitMs: 20 })).rejects.toMatchObject({ code: 'LOCK_TIMEOUT', holders: [] });
    for (const call of [manager.inspect('theirs'), manager.forceRelease('theirs')]) {
      await expect(call).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: false });
    }
    await lease.extend();
    expect([await lease.release(), keys.has('x')]).toEqual([true, false]);
    await using target = createMemoryLockManager();
    await using both = createMigratingLockManager({ from: manager, to: target, phase: 'both', onMigrationEvent() {} });
    expect(await both.tryAcquire('theirs')).toBeNull();
    expect(await both.withLock('x', () => 1)).toBe(1);
  });

  it('excludes the tasks of one process, also where it is re-entrant for it', async () => {
    await using manager = adaptLegacyLock(new ClientLocks());
    let [inside, most] = [0, 0];
    await Promise.all(
      Array.from({ length: 8 }, () =>
        manager.withLock('x', async () => {
          inside += 1;
          most = Math.max(most, inside);
          await new Promise((resolve) => setTimeout(resolve, 1));
          inside -= 1;
        }),
      ),
    );
    expect(most).toBe(1);
  });

  it('that throws is out of reach, and never busy', async () => {
    const keys = new KeyLocks();
    await using manager = adaptLegacyLock(
      { tryLock: () => Promise.reject(new Error('ECONNREFUSED')), unlock: () => true, isLocked: (name: string) => keys.isLocked(name) },
      { unavailableAfterMs: 100 },
    );
    await expect(manager.tryAcquire('x')).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', backend: 'legacy' });
    await expect(manager.acquire('x')).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
  });

  it('whose answer was lost is undone by its token', async () => {
    const keys = new KeyLocks();
    let isBroken = true;
    const lock: LegacyLock<string> = {
      async tryLock(name, request) {
        const handle = await keys.tryLock(name, request);
        if (!isBroken) return handle;
        throw new Error('the connection ended');
      },
      unlock: (name, hold) => keys.unlock(name, hold),
      isLocked: (name) => keys.isLocked(name),
      extend: (name, hold, ttlMs) => keys.extend(name, hold, ttlMs),
      undo: (name, token) => keys.undo(name, token),
    };
    await using manager = adaptLegacyLock(lock);
    await expect(manager.tryAcquire('x')).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    await until('the lock that was left is freed', async () => !(await keys.isLocked('x')));
    isBroken = false;
    await using lease = await manager.tryAcquire('x');
    expect(lease?.isHeld).toBe(true);
  });

  it('that ends by itself is lost by then, and renewed by nothing', async () => {
    const keys = new KeyLocks();
    await using manager = adaptLegacyLock({
      tryLock: (name, { token }) => keys.tryLock(name, { token, ttlMs: 300 }),
      unlock: (name: string, hold: { readonly handle: string }) => keys.unlock(name, hold),
      isLocked: (name) => keys.isLocked(name),
      leaseMs: 300,
    });
    const lease = await manager.acquire('x');
    expect(lease.remainingMs).toBeLessThanOrEqual(300);
    await until('it is lost', () => lease.signal.aborted);
    await using next = await manager.acquire('x', { waitMs: 2_000 });
    expect(next.isHeld).toBe(true);
  });

  it('that was freed behind its holder’s back is lost within a third of its ttl', async () => {
    const keys = new KeyLocks();
    await using manager = adaptLegacyLock(keys);
    const lease = await manager.acquire('x', { ttlMs: 300 });
    await keys.forceUnlock('x');
    await until('it is lost', () => lease.signal.aborted, { timeoutMs: 2_000 });
    expect(await (await manager.acquire('x', { waitMs: 2_000 })).release()).toBe(true);
  });

  it('without forceUnlock cannot be freed by force', async () => {
    const keys = new KeyLocks();
    await using manager = adaptLegacyLock({
      tryLock: keys.tryLock.bind(keys),
      unlock: keys.unlock.bind(keys),
      isLocked: keys.isLocked.bind(keys),
    });
    await expect(manager.forceRelease('x')).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: false });
  });

  it('is closed with its manager', async () => {
    const keys = new KeyLocks();
    let closed = 0;
    const manager = adaptLegacyLock(Object.assign(keys, { close: () => (closed += 1) }));
    await manager.withLock('x', () => {});
    await manager.close();
    expect(closed).toBe(1);
  });

  it('is the side of a migration that it replaces', async () => {
    const keys = new KeyLocks();
    await using manager = createMigratingLockManager({ from: adaptLegacyLock(keys), to: createMemoryLockManager(), phase: 'from' });
    await manager.withLock('x', async () => expect(await keys.isLocked('x')).toBe(true));
    await manager.setPhase('both');
    await manager.withLock('x', async ({ fencingToken }) => {
      expect([await keys.isLocked('x'), typeof fencingToken]).toEqual([true, 'bigint']);
    });
    await manager.setPhase('to');
    await manager.withLock('x', async () => expect(await keys.isLocked('x')).toBe(false));
    expect(manager.capabilities.semaphores).toBe(false);
  });

  it('of several kinds has each apart: permits up to the limit, readers together, a writer alone', async () => {
    const shared = new SharedLocks(['semaphore', 'read-write']);
    await using manager = adaptLegacyLock(shared);
    await using peer = adaptLegacyLock(shared.peer());
    expect(manager.capabilities).toMatchObject({ semaphores: true, readWriteLocks: true });
    const [mine, theirs] = [manager.semaphore('x', { permits: 3 }), peer.semaphore('x', { permits: 3 })];
    const two = await mine.acquire({ permits: 2 });
    const one = await theirs.acquire();
    expect([await mine.tryAcquire(), await theirs.tryAcquire()]).toEqual([null, null]);
    const readers = await Promise.all([manager.readWriteLock('x').read.acquire(), peer.readWriteLock('x').read.acquire()]);
    expect(await manager.readWriteLock('x').write.tryAcquire()).toBeNull();
    expect((await peer.readWriteLock('x').inspect()).holders.map(({ mode }) => mode)).toEqual(['read', 'read']);
    await Promise.all(readers.map((lease) => lease.release()));
    await using writer = await manager.readWriteLock('x').write.acquire();
    expect([await peer.readWriteLock('x').read.tryAcquire(), writer.isHeld]).toEqual([null, true]);
    expect(await manager.withLock('x', () => 'a lock of the same name')).toBe('a lock of the same name');
    expect([await two.release(), await one.release(), (await mine.inspect()).held]).toEqual([true, true, false]);
  });

  it('of several kinds is the side of a migration: those who still use it alone are kept out, and kept waiting', async () => {
    const shared = new SharedLocks(['semaphore', 'read-write']);
    await using old = adaptLegacyLock(shared.peer());
    await using manager = createMigratingLockManager({ from: adaptLegacyLock(shared), to: createMemoryLockManager(), phase: 'both' });
    expect(manager.capabilities).toMatchObject({ semaphores: true, readWriteLocks: true });
    const permits = await manager.semaphore('x', { permits: 3 }).acquire({ permits: 2 });
    expect(await old.semaphore('x', { permits: 3 }).tryAcquire({ permits: 2 })).toBeNull();
    const reader = await old.readWriteLock('x').read.acquire();
    expect(await manager.readWriteLock('x').write.tryAcquire()).toBeNull();
    const together = await manager.readWriteLock('x').read.acquire();
    expect(await old.readWriteLock('x').write.tryAcquire()).toBeNull();
    await Promise.all([permits, reader, together].map((lease) => lease.release()));
    await using writer = await manager.readWriteLock('x').write.acquire();
    expect([writer.isHeld, await old.readWriteLock('x').read.tryAcquire()]).toEqual([true, null]);
  });

  it('of several kinds that cannot say who holds it says so, and its permits go with their time', async () => {
    const shared = new SharedLocks(['semaphore']);
    const { also, tryLock, unlock, undo } = shared;
    await using manager = adaptLegacyLock({
      also,
      tryLock: tryLock.bind(shared),
      unlock: unlock.bind(shared),
      undo: undo.bind(shared),
      leaseMs: 300,
    });
    const semaphore = manager.semaphore('x', { permits: 2 });
    await expect(semaphore.inspect()).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: false });
    const lease = await semaphore.acquire({ permits: 2, ttlMs: 1_000 });
    expect((await semaphore.inspect()).holders).toMatchObject([{ mode: 'permits', permits: 2 }]);
    await until('its time is over', () => lease.signal.aborted, { timeoutMs: 10_000 });
    expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST' });
    expect(() => manager.readWriteLock('x')).toThrow(expect.objectContaining({ code: 'LOCK_UNSUPPORTED' }));
  });

  it('must have what the adapter needs', () => {
    const whole = new KeyLocks();
    const wrong = (lock: object, option: string): void => {
      expect(() => adaptLegacyLock(lock as LegacyLock)).toThrow(expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT', option }));
    };
    wrong({}, 'tryLock');
    wrong({ tryLock: () => null }, 'unlock');
    wrong({ tryLock: () => null, unlock: () => true, isLocked: true }, 'isLocked');
    wrong(Object.assign(new KeyLocks(), { also: 'semaphore' }), 'also');
    wrong(Object.assign(new KeyLocks(), { also: ['lock'] }), 'also');
    wrong(Object.assign(whole, { leaseMs: 1_000 }), 'leaseMs');
  });
});
