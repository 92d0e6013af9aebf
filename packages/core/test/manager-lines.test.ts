import { createLockManager, type LockManager } from '@holdfast/core';
import { createMemoryBackend, createMemoryStore, type MemoryStore } from '@holdfast/core/memory';
import { createManualClock, createTestMemoryStore, type ManualClock } from '@holdfast/core/testing';
import { beforeEach, describe, expect, it } from 'vitest';

let clock: ManualClock;
let store: MemoryStore;

beforeEach(() => {
  clock = createManualClock();
  store = createMemoryStore({ clock });
});

function managerOf({ fair = false, in: held = store } = {}): LockManager {
  return createLockManager(createMemoryBackend({ store: held, fair }), { clock, ttlMs: 60_000 });
}

function line(manager: LockManager, count: number, signal?: AbortSignal): readonly Promise<unknown>[] {
  return Array.from({ length: count }, () => manager.acquire('x', { signal }).catch(() => null));
}

describe('what is seen of a line of waiters', () => {
  it.each([false, true])('is all of it, in every process, and since when (fair: %s)', async (fair) => {
    const [first, second, observer] = [managerOf({ fair }), managerOf({ fair }), managerOf({ fair })];
    const hold = await first.acquire('x');
    // Of the holder's own process nobody asks the store while it holds the lock.
    const own = line(first, 3);
    await clock.advance(700);
    const others = line(second, 2);
    await clock.advance(300);
    expect(await observer.inspect('x')).toMatchObject({ waiters: 5, oldestWaitMs: 1_000 });
    await hold.release();
    await clock.advance(100);
    expect(await observer.inspect('x')).toMatchObject({ waiters: 4, held: true });
    await Promise.all([first.close(), second.close()]);
    await Promise.all([...own, ...others]);
    expect(await observer.inspect('x')).toMatchObject({ waiters: 0, oldestWaitMs: null, held: false });
    await observer.close();
  });

  it('is no longer those that gave up, and the next one is the oldest', async () => {
    const manager = managerOf();
    await manager.acquire('x');
    const leaving = new AbortController();
    const first = line(manager, 2, leaving.signal);
    await clock.advance(500);
    const second = line(manager, 1);
    await clock.advance(250);
    leaving.abort();
    await Promise.all(first);
    expect(await manager.inspect('x')).toMatchObject({ waiters: 1, oldestWaitMs: 250 });
    await manager.close();
    await Promise.all(second);
  });

  it('ends with the connection of a process, and is there again with it', async () => {
    const cut = createTestMemoryStore({ clock });
    const [holder, waiter] = [managerOf({ in: cut }), managerOf({ in: cut })];
    await holder.acquire('x');
    const waiting = line(waiter, 2);
    await clock.advance(10);
    expect((await holder.inspect('x')).waiters).toBe(2);
    cut.disconnect();
    cut.reconnect();
    await clock.advance(10);
    expect((await holder.inspect('x')).waiters).toBe(2);
    await Promise.all([holder.close(), waiter.close(), ...waiting]);
  });

  it('leaves a hold its age over renewals', async () => {
    const manager = createLockManager(createMemoryBackend({ store }), { clock, ttlMs: 3_000 });
    await manager.acquire('x');
    await clock.advance(10_000);
    expect((await manager.inspect('x')).holders).toMatchObject([{ heldMs: 10_000 }]);
    await manager.close();
  });
});
