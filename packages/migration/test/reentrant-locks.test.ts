import { createMemoryLockManager } from '@holdfast/core/memory';
import { createReentrantLocks, type ReentrantLock } from '@holdfast/migration';
import { createManualClock, createTestMemoryStore } from '@holdfast/core/testing';
import { until } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { isPending } from './migration-world.js';

/** With a manual clock time moves only when a test says so. */
function world({ ttlMs, manual = false }: { readonly ttlMs?: number; readonly manual?: boolean } = {}) {
  const clock = createManualClock();
  const timed = manual ? { clock } : {};
  const store = createTestMemoryStore(timed);
  const locks = createMemoryLockManager({ store, ttlMs, ...timed });
  const other = createMemoryLockManager({ store: store.peer(), ...timed });
  return {
    clock,
    link: store,
    locks,
    other,
    ...createReentrantLocks(locks),
    async [Symbol.asyncDispose]() {
      if (manual) await clock.settle();
      await Promise.all([locks.close(), other.close()]);
    },
  };
}

const noOwner: unknown = expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT', option: 'context' });

describe('a re-entrant lock', () => {
  it('may be taken again by the context that holds it, and is freed by the last unlock', async () => {
    await using w = world();
    const lock = w.getLock('x');
    await w.runInContext(async () => {
      await lock.lock();
      expect(await w.getLock('x').tryLock()).toBe(true);
      await (async () => {
        await lock.lock();
        expect([lock.getLockCount(), lock.isHeldByCurrentContext()]).toEqual([3, true]);
        await lock.unlock();
      })();
      await lock.unlock();
      expect([lock.getLockCount(), await w.other.tryAcquire('x')]).toEqual([1, null]);
      await lock.unlock();
      expect([lock.getLockCount(), lock.isHeldByCurrentContext(), await lock.isLocked()]).toEqual([0, false, false]);
      await expect(lock.unlock()).rejects.toEqual(noOwner);
    });
  });

  it('belongs to the contexts of its own locks, also within those of others', async () => {
    await using w = world();
    const others = createReentrantLocks(w.other);
    const [mine, theirs] = [w.getLock('x'), others.getLock('x')];
    await w.runInContext(async () => {
      await mine.lock();
      await expect(theirs.tryLock()).rejects.toEqual(noOwner);
      await others.runInContext(async () => {
        expect([await theirs.tryLock(), await mine.tryLock(), mine.getLockCount()]).toEqual([false, true, 2]);
        await mine.unlock();
      });
      await mine.unlock();
      await others.runInContext(async () => {
        expect([await theirs.tryLock(), mine.isHeldByCurrentContext(), theirs.isHeldByCurrentContext()]).toEqual([true, false, true]);
        await theirs.unlock();
      });
    });
  });

  it('excludes the flows of one process from each other', async () => {
    await using w = world();
    const lock = w.getLock('x');
    let [inside, most] = [0, 0];
    const flow = () =>
      w.runInContext(async () => {
        await lock.lock();
        inside += 1;
        most = Math.max(most, inside);
        await new Promise((resolve) => setTimeout(resolve, 2));
        inside -= 1;
        await lock.unlock();
      });
    await Promise.all(Array.from({ length: 10 }, flow));
    expect(most).toBe(1);
  });

  it('is not owned by a flow beside the one that took it, nor by what runs after it', async () => {
    await using w = world();
    const lock = w.getLock('x');
    await Promise.all([
      w.runInContext(async () => {
        await lock.lock();
        await new Promise((resolve) => setTimeout(resolve, 30));
        await lock.unlock();
      }),
      w.runInContext(async () => {
        await until('the other has it', () => lock.isLocked());
        expect([lock.isHeldByCurrentContext(), lock.getLockCount(), lock.getLease()]).toEqual([false, 0, null]);
        expect(await lock.tryLock()).toBe(false);
        await expect(lock.unlock()).rejects.toEqual(noOwner);
        expect(await lock.tryLock(5_000)).toBe(true);
        await lock.unlock();
      }),
    ]);
  });

  it('has no owner outside of runInContext, nor in what goes on after it', async () => {
    await using w = world();
    const lock = w.getLock('x');
    await expect(lock.lock()).rejects.toEqual(noOwner);
    await expect(lock.tryLock()).rejects.toEqual(noOwner);
    await expect(lock.unlock()).rejects.toEqual(noOwner);
    expect(() => lock.isHeldByCurrentContext()).toThrow(noOwner);
    expect(() => lock.getFence()).toThrow(noOwner);
    let left: Promise<void> = Promise.resolve();
    await w.runInContext(() => {
      left = new Promise((resolve) => setTimeout(resolve, 5)).then(() => lock.lock());
      left.catch(() => {});
    });
    await expect(left).rejects.toEqual(noOwner);
    expect([await lock.isLocked(), await lock.getRemainingLeaseMs(), await lock.forceUnlock()]).toEqual([false, 0, false]);
  });

  it('that is granted after its context has ended is freed again', async () => {
    await using w = world();
    const lock = w.getLock('x');
    const busy = await w.other.acquire('x');
    let left: Promise<void> = Promise.resolve();
    await w.runInContext(() => {
      left = lock.lock();
      left.catch(() => {});
    });
    expect(await isPending(left)).toBe(true);
    await busy.release();
    await expect(left).rejects.toEqual(noOwner);
    await until('it is free', async () => !(await lock.isLocked()));
  });

  it('left locked at the end of its context is freed, also when the task throws', async () => {
    await using w = world();
    const lock = w.getLock('x');
    const failed = w.runInContext(async () => {
      await lock.lock();
      await lock.lock();
      throw new Error('the task failed');
    });
    await expect(failed).rejects.toThrow('the task failed');
    expect(await lock.isLocked()).toBe(false);
  });

  it('is not waited for by a context inside the one that holds it', async () => {
    await using w = world();
    const lock = w.getLock('x');
    await w.runInContext(async () => {
      await lock.lock();
      await w.runInContext(async () => {
        await expect(lock.lock()).rejects.toMatchObject({ code: 'LOCK_REENTRY' });
        expect(await lock.tryLock(5_000)).toBe(false);
        expect(lock.isHeldByCurrentContext()).toBe(false);
      });
      expect(lock.getLockCount()).toBe(1);
    });
  });

  it('counts correctly when flows of one context take it side by side', async () => {
    await using w = world();
    const lock = w.getLock('x');
    await w.runInContext(async () => {
      await Promise.all([lock.lock(), lock.lock(), lock.tryLock(100)]);
      expect(lock.getLockCount()).toBe(3);
      await Promise.all([lock.unlock(), lock.unlock()]);
      expect(lock.getLockCount()).toBe(1);
    });
    expect(await lock.isLocked()).toBe(false);
  });

  it('waits as long as it is asked to, and is kept as long as it is asked to', async () => {
    await using w = world();
    const lock = w.getLock('x');
    const busy = await w.other.acquire('x');
    await w.runInContext(async () => {
      expect(await lock.tryLock(50)).toBe(false);
      await busy.release();
      expect(await lock.tryLock(1_000, 300)).toBe(true);
      const remaining = await lock.getRemainingLeaseMs();
      expect(remaining).toBeGreaterThan(0);
      expect(remaining).toBeLessThanOrEqual(300);
      const lease = lock.getLease();
      await until('it has ended', () => lease?.signal.aborted === true);
      expect([lock.isHeldByCurrentContext(), lock.getLockCount()]).toEqual([false, 0]);
      await expect(lock.lock()).rejects.toMatchObject({ code: 'LOCK_LOST' });
      await expect(lock.unlock()).rejects.toMatchObject({ code: 'LOCK_LOST' });
      await lock.lock();
    });
  });

  it('has a fence that rises, a remaining time that others see, and can be freed by force', async () => {
    await using w = world();
    const lock = w.getLock('x');
    const first = await w.runInContext(async () => {
      await lock.lock();
      return lock.getFence();
    });
    await w.runInContext(async () => {
      await lock.lock();
      expect(lock.getFence()).toBeGreaterThan(first);
      const elsewhere = createReentrantLocks(w.other).getLock('x');
      expect(await elsewhere.getRemainingLeaseMs()).toBeGreaterThan(20_000);
      expect(await elsewhere.isLocked()).toBe(true);
      expect(await elsewhere.forceUnlock()).toBe(true);
      await expect(lock.unlock()).rejects.toMatchObject({ code: 'LOCK_LOST' });
    });
  });

  it('is never false because the store is out of reach', async () => {
    const store = createTestMemoryStore();
    const link = store.peer();
    await using locks = createMemoryLockManager({ store: link });
    const { getLock, runInContext } = createReentrantLocks(locks);
    link.disconnect();
    await runInContext(async () => {
      await expect(getLock('x').tryLock()).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
      await expect(getLock('x').tryLock(200)).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    });
    expect(() => getLock('')).toThrow(expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT' }));
  });
});

describe('taken again by its owner', () => {
  const [SHORT_MS, LONG_MS] = [300, 2_000];

  it.each([
    ['lock(leaseMs)', async (lock: ReentrantLock) => await lock.lock(LONG_MS)],
    ['tryLock(0, leaseMs)', async (lock: ReentrantLock) => await lock.tryLock(0, LONG_MS)],
    ['lock()', async (lock: ReentrantLock) => await lock.lock()],
    ['tryLock()', async (lock: ReentrantLock) => await lock.tryLock()],
  ])('%s lasts for what it was promised', async (_, take) => {
    await using w = world({ ttlMs: 400, manual: true });
    const lock = w.getLock('x');
    await w.runInContext(async () => {
      await lock.lock(SHORT_MS);
      await take(lock);
      // The first lease would have ended.
      await w.clock.advance(LONG_MS - 1);
      expect([lock.isHeldByCurrentContext(), lock.getLockCount(), await w.other.tryAcquire('x')]).toEqual([true, 2, null]);
      await lock.unlock();
      await lock.unlock();
    });
    expect(await w.other.tryAcquire('x')).not.toBeNull();
  });

  it('a lease is not made shorter, and an inner lock() lasts until the last unlock, not its own', async () => {
    await using w = world({ ttlMs: 400, manual: true });
    const lock = w.getLock('x');
    await w.runInContext(async () => {
      await lock.lock(60_000);
      await lock.lock(10);
      expect(await lock.getRemainingLeaseMs()).toBeGreaterThan(50_000);
      await lock.unlock();
      await lock.unlock();
      await lock.lock(SHORT_MS);
      await lock.lock();
      await lock.unlock();
      // The first lease would have ended.
      await w.clock.advance(LONG_MS);
      expect([lock.isHeldByCurrentContext(), lock.getLockCount()]).toEqual([true, 1]);
    });
    expect(await w.other.tryAcquire('x')).not.toBeNull();
  });

  it('does not count when the store cannot promise it', async () => {
    await using w = world();
    const lock = w.getLock('x');
    await w.runInContext(async () => {
      await lock.lock(5_000);
      w.link.disconnect();
      await expect(lock.lock(60_000)).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
      w.link.reconnect();
      expect(lock.getLockCount()).toBe(1);
    });
  });

  it('tryLock does not wait behind a lock() of its context for longer than it was asked to', async () => {
    await using w = world({ manual: true });
    const lock = w.getLock('x');
    const theirs = await w.other.acquire('x');
    await w.runInContext(async () => {
      const waiting = lock.lock();
      expect(await lock.tryLock()).toBe(false);
      const brief = lock.tryLock(300);
      await w.clock.advance(299);
      expect(await isPending(brief)).toBe(true);
      await w.clock.advance(1);
      expect(await brief).toBe(false);
      const patient = lock.tryLock(10_000);
      await theirs.release();
      await w.clock.advance(1_000);
      await waiting;
      expect(await patient).toBe(true);
      expect(lock.getLockCount()).toBe(2);
    });
  });
});
