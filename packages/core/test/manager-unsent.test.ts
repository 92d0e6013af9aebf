import { createLockManager, type LockBackend, type LockManager, LockUnavailableError } from '@holdfast/core';
import { createMemoryBackend } from '@holdfast/core/memory';
import { createManualClock, createTestMemoryStore } from '@holdfast/core/testing';
import { describe, expect, it } from 'vitest';
import { outcomeOf } from './manager-world.js';

type AttemptCall = LockBackend<bigint>['attempt'];

/** A manager whose attempts go where the test wants, on a store that does not answer releases; both are counted. */
function createUnsent(attempt: AttemptCall) {
  const clock = createManualClock();
  const inner = createMemoryBackend({ store: createTestMemoryStore({ clock }), fair: false });
  const counts = { attempts: 0, releases: 0 };
  const backend: LockBackend<bigint> = {
    contract: 1,
    name: 'distant',
    capabilities: inner.capabilities,
    attempt(requests, call) {
      counts.attempts += 1;
      return attempt(requests, call);
    },
    release() {
      counts.releases += 1;
      return new Promise(() => {});
    },
    renew: (holds, call) => inner.renew(holds, call),
    inspect: (name, kind, call) => inner.inspect(name, kind, call),
    forceRelease: (name, kind, call) => inner.forceRelease(name, kind, call),
    checkHealth: async () => {},
    close: () => inner.close(),
  };
  return { clock, counts, manager: createLockManager(backend, { clock, commandTimeoutMs: 1_000 }) };
}

const refused = (wasSent: boolean, backend = 'distant') => new LockUnavailableError('no connection', { backend, wasSent });

describe('an attempt that was never sent', () => {
  it.each([
    ['one', (manager: LockManager<bigint>): Promise<unknown> => manager.tryAcquire('x')],
    ['several', (manager: LockManager<bigint>): Promise<unknown> => manager.tryAcquireEach(['x', 'y'])],
  ])('for %s leaves nothing to free, so that close() has nothing to wait for', async (_, ask) => {
    const { clock, counts, manager } = createUnsent(() => Promise.reject(refused(false)));
    const asked = outcomeOf(ask(manager));
    await clock.settle();
    expect(asked.code).toBe('LOCK_BACKEND_UNAVAILABLE');
    const closed = outcomeOf(manager.close());
    await clock.settle();
    expect(closed.status).toBe('fulfilled');
    expect(counts.releases).toBe(0);
  });

  it('is known to have been by a health check, too', async () => {
    const { clock, counts, manager } = createUnsent(() => Promise.reject(refused(false)));
    expect(await manager.checkHealth()).toMatchObject({ ok: false });
    const closed = outcomeOf(manager.close());
    await clock.settle();
    expect(closed.status).toBe('fulfilled');
    expect(counts.releases).toBe(0);
  });

  it('may turn out to be so only when everybody has given up', async () => {
    let reject!: (error: unknown) => void;
    const { clock, counts, manager } = createUnsent(
      () =>
        new Promise((_, no) => {
          reject = no;
        }),
    );
    const tried = outcomeOf(manager.tryAcquire('x'));
    await clock.advance(1_000);
    expect(tried.code).toBe('LOCK_BACKEND_UNAVAILABLE');
    await clock.advance(1_000);
    const releases = counts.releases;
    expect(releases).toBeGreaterThan(0);
    reject(refused(false));
    await clock.advance(10_000);
    expect(counts.releases).toBe(releases);
    const closed = outcomeOf(manager.close());
    await clock.settle();
    expect(closed.status).toBe('fulfilled');
  });

  it.each([2, 200])('is made anew in one rhythm for all names, with %s that wait', async (waiters) => {
    const rounds = new Set<number>();
    const { clock, manager } = createUnsent(() => {
      rounds.add(clock.now());
      return Promise.reject(refused(false));
    });
    const waits = Array.from({ length: waiters }, (_, i) => outcomeOf(manager.acquire(`x${i}`, { waitMs: 4_000 })));
    await clock.advance(4_200);
    expect(waits.every(({ code }) => code === 'LOCK_BACKEND_UNAVAILABLE')).toBe(true);
    // At 0, four pauses of together 400 to 600 ms, then one each 500 ms.
    expect(rounds.size).toBeGreaterThanOrEqual(12);
    expect(rounds.size).toBeLessThanOrEqual(13);
  });

  it('says nothing of a later request that is ended with its error', async () => {
    let asked = 0;
    const { clock, counts, manager } = createUnsent(() => {
      asked += 1;
      // The first finds no connection; the second leaves, and its answer never comes.
      return asked === 1 ? Promise.reject(refused(false)) : new Promise(() => {});
    });
    const waiting = outcomeOf(manager.acquire('x', { waitMs: 900 }));
    await clock.advance(850);
    expect([asked, counts.releases]).toEqual([2, 0]);
    await clock.advance(200);
    expect(waiting.error).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', wasSent: false });
    expect(counts.releases).toBeGreaterThan(0);
  });

  it.each([
    ['may have been sent', refused(true)],
    ['was refused by a store behind this one', refused(false, 'another')],
    ['failed with an error of the driver', new Error('socket')],
  ])('is not one that %s', async (_, error) => {
    const { clock, counts, manager } = createUnsent(() => Promise.reject(error));
    const tried = outcomeOf(manager.tryAcquire('x'));
    await clock.settle();
    expect(tried.code).toBe('LOCK_BACKEND_UNAVAILABLE');
    expect(counts.releases).toBe(1);
  });
});
