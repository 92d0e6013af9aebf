import type { LockManager } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { createWorld, expectNothingLeft, outcomeOf, rejection, waitings } from './manager-world.js';

/** A task that does not wait for its release, and throws. */
function fail(released: Promise<boolean>): never {
  void released;
  throw new Error('own');
}

describe('withLock', () => {
  it('gives what the task gives, and frees the lock before it settles', async () => {
    const { manager, isHeld } = createWorld();
    await expect(
      manager.withLock('x', async (lease) => {
        expect(lease.isHeld).toBe(true);
        expect(await isHeld()).toBe(true);
        return 5;
      }),
    ).resolves.toBe(5);
    expect(await isHeld()).toBe(false);
    await expect(manager.withLock('x', { ttlMs: 1_000 }, () => 'sync')).resolves.toBe('sync');
  });

  it('lets a reader wait like any other once its own task has freed what it read under', async () => {
    const { clock, manager, peer } = createWorld();
    const { read } = manager.readWriteLock('x');
    const done = outcomeOf(
      read.withLock(async (lease) => {
        await lease.release();
        const writer = await peer.readWriteLock('x').write.acquire();
        const second = read.acquire();
        await writer.release();
        return await (await second).release();
      }),
    );
    await clock.advance(1_000);
    expect(done).toMatchObject({ status: 'fulfilled', value: true });
  });

  it('refuses options behind the task, where nobody would look at them', async () => {
    const { manager, isHeld } = createWorld();
    const behind = manager.withLock as (...args: readonly unknown[]) => Promise<unknown>;
    await expect(behind.call(manager, 'x', () => 5, { ttlMs: 1_000 })).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT' });
    expect(await isHeld()).toBe(false);
  });

  it("hands on the task's own error, also when it throws at once", async () => {
    const { manager, isHeld } = createWorld();
    const own = new Error('own');
    await expect(
      manager.withLock('x', () => {
        throw own;
      }),
    ).rejects.toBe(own);
    await expect(manager.withLock('x', () => Promise.reject(own))).rejects.toBe(own);
    expect(await isHeld()).toBe(false);
  });

  it('replaces neither value nor error when the release fails', async () => {
    const { clock, store, manager } = createWorld();
    store.failNext('release');
    await expect(manager.withLock('x', () => 5)).resolves.toBe(5);
    await clock.advance(1_000);
    store.failNext('release');
    const own = new Error('own');
    await expect(manager.withLock('x', () => Promise.reject(own))).rejects.toBe(own);
  });

  it.each([
    ['withLock', (locks: LockManager) => locks.withLock('x', (lease) => void lease.release())],
    ['withLock, of a task that throws', (locks: LockManager) => locks.withLock('x', (lease) => fail(lease.release())).catch(() => {})],
    ['tryWithLock', (locks: LockManager) => locks.tryWithLock('x', (lease) => void lease.release())],
    ['withAll', (locks: LockManager) => locks.withAll(['x', 'y'], (group) => void group.release())],
  ])('leaves no unhandled rejection when a release that the task does not wait for fails: %s', async (_, run) => {
    const { clock, store, manager } = createWorld();
    const unhandled: unknown[] = [];
    const listener = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', listener);
    try {
      store.failNext('release');
      await run(manager);
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off('unhandledRejection', listener);
    }
    expect(unhandled).toEqual([]);
    await clock.advance(1_000);
  });

  it('rejects with LOCK_LOST when the task finished after a loss, with what the task made of it', async () => {
    const { clock, store, manager } = createWorld({ ttlMs: 3_000 });
    const done = outcomeOf(
      manager.withLock('x', async (lease) => {
        store.disconnect({ silent: true });
        await new Promise((resolve) => {
          lease.signal.addEventListener('abort', resolve);
        });
        return 5;
      }),
    );
    await clock.advance(10_000);
    expect(done.error).toMatchObject({ code: 'LOCK_LOST', reason: 'deadline', outcome: { status: 'fulfilled', value: 5 } });
  });

  it("keeps the task's own error over a loss, unless it is the loss", async () => {
    const fail = async (errorOf: (reason: unknown) => unknown): Promise<unknown> => {
      const { clock, store, manager } = createWorld({ ttlMs: 3_000 });
      const done = outcomeOf(
        manager.withLock('x', async (lease) => {
          store.disconnect({ silent: true });
          await new Promise((resolve) => {
            lease.signal.addEventListener('abort', resolve);
          });
          throw errorOf(lease.signal.reason);
        }),
      );
      await clock.advance(10_000);
      return done.error;
    };
    const own = new Error('own');
    expect(await fail(() => own)).toBe(own);
    const lost = { code: 'LOCK_LOST', reason: 'deadline', outcome: { status: 'rejected' } };
    expect(await fail((reason) => reason)).toMatchObject(lost);
    expect(await fail((reason) => new Error('AbortError', { cause: reason }))).toMatchObject(lost);
    const closedToLooks = Object.defineProperty(new Error('own'), 'cause', {
      get: () => {
        throw new Error('nobody may look');
      },
    });
    expect(await fail(() => closedToLooks)).toBe(closedToLooks);
  });

  it('says { acquired: false } when it is busy, and only then', async () => {
    const { store, manager, peer } = createWorld();
    expect(await manager.tryWithLock('x', () => undefined)).toEqual({ acquired: true, value: undefined });
    await peer.acquire('x');
    expect(await manager.tryWithLock('x', () => undefined)).toEqual({ acquired: false });
    store.disconnect();
    expect((await rejection(manager.tryWithLock('x', () => undefined))).code).toBe('LOCK_BACKEND_UNAVAILABLE');
  });
});

describe.each(waitings)('a task that waits for what it still holds, with $waiting', ({ fair }) => {
  it('rejects instead of hanging', async () => {
    const world = createWorld({ fair });
    const { clock, manager } = world;
    const inner = outcomeOf(manager.withLock('x', () => manager.withLock('x', () => 5)));
    await clock.advance(100);
    expect(inner.code).toBe('LOCK_REENTRY');
    const deep = outcomeOf(
      manager.withAll(['a', 'b'], async () => {
        await Promise.resolve();
        return manager.withLock('c', () => manager.acquireAll(['d', 'b']));
      }),
    );
    await clock.advance(100);
    expect(deep.code).toBe('LOCK_REENTRY');
    await expectNothingLeft(world);
  });

  it('reads and wants to write, rejects too', async () => {
    const { clock, manager } = createWorld({ fair });
    const lock = manager.readWriteLock('x');
    const upgrade = outcomeOf(lock.read.withLock(() => lock.write.acquire()));
    await clock.advance(100);
    expect(upgrade.code).toBe('LOCK_REENTRY');
  });

  it('with all permits taken rejects, and with some left does not', async () => {
    const { clock, manager } = createWorld({ fair });
    const semaphore = manager.semaphore('x', { permits: 2 });
    const some = outcomeOf(semaphore.withPermits(() => semaphore.withPermits(() => 5)));
    await clock.advance(100);
    expect(some.value).toBe(5);
    const all = outcomeOf(semaphore.withPermits({ permits: 2 }, () => semaphore.acquire()));
    await clock.advance(100);
    expect(all.code).toBe('LOCK_REENTRY');
  });

  it('asks with tryAcquire and hears that it is busy', async () => {
    const { manager } = createWorld({ fair });
    expect(await manager.withLock('x', () => manager.tryAcquire('x'))).toBeNull();
    expect(await manager.withLock('x', () => manager.tryWithLock('x', () => 5))).toEqual({ acquired: false });
  });

  it('has freed it before, and may take it again', async () => {
    const { clock, manager } = createWorld({ fair });
    const again = outcomeOf(
      manager.withLock('x', async (lease) => {
        await lease.release();
        return manager.withLock('x', () => 5);
      }),
    );
    await clock.advance(100);
    expect(again.value).toBe(5);
  });

  it('is not meant by what goes on beside it', async () => {
    const { clock, manager } = createWorld({ fair });
    let finish = (): void => {};
    const task = outcomeOf(
      manager.withLock(
        'x',
        () =>
          new Promise<void>((resolve) => {
            finish = resolve;
          }),
      ),
    );
    await clock.settle();
    const beside = outcomeOf(manager.withLock('x', () => 5));
    await clock.advance(100);
    expect(beside.status).toBe('pending');
    finish();
    await clock.settle();
    expect([task.status, beside.value]).toEqual(['fulfilled', 5]);
  });

  it('is not meant by a bare acquire, which binds no flow', async () => {
    const { clock, manager } = createWorld({ fair });
    const lease = await manager.acquire('x');
    const second = outcomeOf(manager.acquire('x'));
    await clock.advance(100);
    expect(second.status).toBe('pending');
    await lease.release();
    await clock.settle();
    expect(second.value?.isHeld).toBe(true);
  });
});
