import {
  createLockManager,
  type HoldRequest,
  type LockBackend,
  type LockManager,
  LockUnavailableError,
  type Release,
} from '@holdfast/core';
import { createMemoryBackend } from '@holdfast/core/memory';
import { createManualClock, createTestMemoryStore, type ManualClock } from '@holdfast/core/testing';
import { describe, expect, it } from 'vitest';
import { handing, PROVISIONAL_MS } from './handing-backend.js';
import { outcomeOf, rejection } from './manager-world.js';
import { altered } from './mutants/mutant.js';

const TTL_MS = 30_000;

interface Hall {
  readonly clock: ManualClock;
  readonly manager: LockManager;
  readonly other: LockManager;
  /** What the backend of `manager` was asked, in this order. */
  readonly asked: string[];
  readonly store: ReturnType<typeof createTestMemoryStore>;
}

function hall(change: (backend: LockBackend) => Partial<LockBackend> = () => ({})): Hall {
  const clock = createManualClock();
  const store = createTestMemoryStore({ clock });
  const asked: string[] = [];
  const open = (alter: (backend: LockBackend) => LockBackend): LockManager =>
    createLockManager(alter(handing(createMemoryBackend({ store: store.peer() }))), { clock, ttlMs: TTL_MS });
  const recording = (whole: LockBackend): LockBackend => {
    const backend = altered(whole, { takesNext: true, tellsQueued: true, ...change(whole) });
    return altered(backend, {
      attempt: (requests, call) => (asked.push('attempt'), backend.attempt(requests, call)),
      renew: (holds, call) => (asked.push('renew'), backend.renew(holds, call)),
      release: (holds, call) => (
        asked.push(holds.some(({ next }) => next !== undefined) ? 'release, next' : 'release'), backend.release(holds, call)
      ),
      wait: (request, call) => (asked.push('wait'), (backend.wait as NonNullable<LockBackend['wait']>)(request, call)),
    });
  };
  return { clock, store, asked, manager: open(recording), other: open((backend) => backend) };
}

describe('a grant for a while', () => {
  it('is confirmed at once, and until then says how little time it has', async () => {
    let confirm: () => void = () => {};
    const { clock, manager, other, asked } = hall((backend) => ({
      renew: async (holds, call) => {
        await new Promise<void>((resolve) => (confirm = resolve));
        return backend.renew(holds, call);
      },
    }));
    const held = await other.acquire('x');
    const waiting = outcomeOf(manager.acquire('x'));
    await clock.advance(10);
    await held.release();
    await clock.advance(10);
    const lease = waiting.value;
    expect(lease?.remainingMs).toBeLessThanOrEqual(PROVISIONAL_MS);
    expect(asked).toEqual(['attempt', 'wait', 'renew']);
    confirm();
    await clock.advance(1);
    expect(lease?.remainingMs).toBeGreaterThan(TTL_MS - 100);
    await lease?.release();
  });

  it('is lost when the store says that it is not ours any more', async () => {
    const { clock, manager, other } = hall(() => ({ renew: async (holds) => holds.map(() => false) }));
    const held = await other.acquire('x');
    const waiting = outcomeOf(manager.acquire('x'));
    await clock.advance(10);
    await held.release();
    await clock.advance(20);
    expect(waiting.value?.signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'taken' });
  });

  it('is asked to be confirmed each 100 ms while the store does not answer, and is lost at its own deadline', async () => {
    const { clock, manager, other, asked } = hall(() => ({
      renew: () => Promise.reject(new LockUnavailableError('no answer', { backend: 'memory' })),
    }));
    const held = await other.acquire('x');
    const waiting = outcomeOf(manager.acquire('x'));
    await clock.advance(10);
    await held.release();
    await clock.advance(1_000);
    expect(asked.filter((what) => what === 'renew').length).toBeGreaterThanOrEqual(9);
    expect(waiting.value?.isHeld).toBe(true);
    await clock.advance(PROVISIONAL_MS - 1_000);
    expect(waiting.value?.signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'deadline' });
  });

  it('is confirmed also where it is not renewed after that', async () => {
    const { clock, manager, other } = hall();
    const held = await other.acquire('x');
    const waiting = outcomeOf(manager.acquire('x', { renew: false }));
    await clock.advance(10);
    await held.release();
    await clock.advance(20_000);
    expect(waiting.value?.isHeld).toBe(true);
    await waiting.value?.release();
  });
});

describe('a queue in which the first of each manager stands', () => {
  it('has one place of a manager, however many of its tasks wait, and none while it holds the name itself', async () => {
    const { clock, manager, other, asked } = hall();
    const held = await other.acquire('x');
    const waits = [1, 2, 3].map(() => outcomeOf(manager.acquire('x')));
    await clock.advance(10);
    expect(asked).toEqual(['attempt', 'wait']);
    await held.release();
    await clock.advance(20);
    expect(waits.map(({ status }) => status)).toEqual(['fulfilled', 'pending', 'pending']);
    expect(asked).toEqual(['attempt', 'wait', 'renew']);
    expect((await other.inspect('x')).waiters).toBe(0);
  });

  it('is behind which a wait that runs out is a timeout, though it had no way to ask: a look has found the holder', async () => {
    const { clock, manager, other } = hall();
    const held = await other.acquire('x');
    const first = outcomeOf(manager.acquire('x'));
    await clock.advance(1_000);
    const behind = outcomeOf(manager.acquire('x', { waitMs: 20 }));
    await clock.advance(100);
    expect([first.status, behind.code]).toEqual(['pending', 'LOCK_TIMEOUT']);
    await held.release();
    await clock.advance(10);
    await first.value?.release();
  });

  it('is passed by where a release hands on: the next one has it with the answer of the release', async () => {
    const { clock, manager, asked } = hall();
    const first = await manager.acquire('x');
    const waits = [1, 2].map(() => outcomeOf(manager.acquire('x')));
    await clock.advance(10);
    await first.release();
    await clock.advance(1);
    expect(waits.map(({ status }) => status)).toEqual(['fulfilled', 'pending']);
    expect(asked).toEqual(['attempt', 'release, next']);
    const second = waits[0]?.value;
    expect(second?.fencingToken).toBeGreaterThan(first.fencingToken ?? 0n);
    await second?.release();
    await waits[1]?.value?.release();
  });

  it('is not passed by where one of several lets go: others may stay, of whom its release says nothing', async () => {
    const { clock, manager, other, asked } = hall();
    const [leaving, staying] = [await manager.readWriteLock('x').read.acquire(), await other.readWriteLock('x').read.acquire()];
    const controller = new AbortController();
    const first = outcomeOf(manager.readWriteLock('x').write.acquire({ signal: controller.signal }));
    const second = outcomeOf(manager.readWriteLock('x').write.acquire());
    await clock.advance(10);
    // In one turn: the second is in front, and has not asked yet.
    controller.abort(new Error('left'));
    await leaving.release();
    await clock.advance(10);
    expect([first.status, second.status]).toEqual(['rejected', 'pending']);
    expect(asked).not.toContain('release, next');
    await staying.release();
    await clock.advance(10);
    expect(second.status).toBe('fulfilled');
    await second.value?.release();
  });

  it('is joined by the next one when it was others’ turn', async () => {
    const { clock, manager, other, asked } = hall();
    const first = await manager.acquire('x');
    const waiting = outcomeOf(manager.acquire('x'));
    const others = outcomeOf(other.acquire('x'));
    await clock.advance(10);
    await first.release();
    await clock.advance(10);
    expect([others.status, waiting.status]).toEqual(['fulfilled', 'pending']);
    expect(asked).toEqual(['attempt', 'release, next', 'wait']);
    await others.value?.release();
    await clock.advance(10);
    expect(waiting.status).toBe('fulfilled');
  });

  it('leaves nothing of a next one whose answer was lost, which then waits as any other', async () => {
    let isLost = true;
    const { clock, manager, store, asked } = hall((backend) => ({
      async release(holds: readonly Release[], call) {
        const answers = await backend.release(holds, call);
        const mustFail = isLost && holds.some(({ next }) => next !== undefined);
        if (!mustFail) return answers;
        isLost = false;
        throw new LockUnavailableError('the reply was lost', { backend: 'memory' });
      },
    }));
    const first = await manager.acquire('x');
    const waiting = outcomeOf(manager.acquire('x'));
    await clock.advance(10);
    await rejection(first.release());
    await clock.advance(2_000);
    expect(waiting.status).toBe('fulfilled');
    expect(asked).toContain('wait');
    await waiting.value?.release();
    await clock.advance(2_000);
    expect(store.size).toBe(0);
  });

  it('frees what a next one was granted that has given up meanwhile', async () => {
    let answer: () => void = () => {};
    const owners: HoldRequest['owner'][] = [];
    const { clock, manager, store } = hall((backend) => ({
      async release(holds: readonly Release[], call) {
        for (const { next } of holds) if (next !== undefined) owners.push(next.owner);
        const answers = await backend.release(holds, call);
        if (owners.length === 1 && holds[0]?.next !== undefined) await new Promise<void>((resolve) => (answer = resolve));
        return answers;
      },
    }));
    const first = await manager.acquire('x');
    const leaving = new AbortController();
    const waiting = outcomeOf(manager.acquire('x', { signal: leaving.signal }));
    await clock.advance(10);
    const released = first.release();
    leaving.abort(new Error('left'));
    await clock.advance(10);
    expect(waiting.status).toBe('rejected');
    answer();
    await released;
    await clock.advance(2_000);
    expect([owners.length, store.size]).toEqual([1, 0]);
  });
});
