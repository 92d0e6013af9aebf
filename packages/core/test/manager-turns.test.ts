import { createLockManager, type LockBackend, type LockManager } from '@holdfast/core';
import { createMemoryBackend, createMemoryStore, type MemoryStore } from '@holdfast/core/memory';
import { createManualClock, type ManualClock } from '@holdfast/core/testing';
import { describe, expect, it } from 'vitest';
import { altered } from './mutants/mutant.js';

const RUN_MS = 5_000;

/** How waiters of a store hear that a name may be free: by its message, by wake-ups of their own backend, or by core's backoff. */
type Wakes = 'messages' | 'polls' | 'backoff';

/** A store in memory that is so far away, one way; it keeps no queue. */
function far(store: MemoryStore, clock: ManualClock, awayMs: number, wakes: Wakes): LockBackend {
  const backend = createMemoryBackend({ store, fair: false });
  const onItsWay = async <T>(call: () => Promise<T>): Promise<T> => {
    await pause(clock, awayMs);
    const answer = await call();
    await pause(clock, awayMs);
    return answer;
  };
  const told: Partial<LockBackend> = {
    attempt: (requests, call) => onItsWay(() => backend.attempt(requests, call)),
    release: (holds, call) => onItsWay(() => backend.release(holds, call)),
  };
  if (wakes === 'messages') {
    return altered(backend, {
      ...told,
      subscribe: (request, wake) =>
        backend.subscribe?.(request, () => {
          clock.setTimer(awayMs, wake);
        }) ?? { close: () => {} },
    });
  }
  const poll: NonNullable<LockBackend['subscribe']> = (_request, wake) => {
    let timer = { cancel: () => {} };
    const next = (): void => {
      timer = clock.setTimer(20 + 10 * clock.random(), () => {
        next();
        wake();
      });
    };
    next();
    return { close: () => timer.cancel() };
  };
  const capabilities = { ...backend.capabilities, push: false };
  return altered(backend, { ...told, capabilities, subscribe: wakes === 'polls' ? poll : undefined } as Partial<LockBackend>);
}

function pause(clock: ManualClock, ms: number): Promise<void> {
  return ms === 0 ? Promise.resolve() : new Promise((resolve) => void clock.setTimer(ms, resolve));
}

interface Load {
  readonly wakes: Wakes;
  readonly awayMs: number;
  readonly kind: 'locks' | 'permits';
  readonly managers: number;
  readonly tasks: number;
}

/** How often each manager was granted one name that all its tasks want again as soon as they have had it. */
async function grantsOf({ wakes, awayMs, kind, managers: count, tasks }: Load): Promise<readonly number[]> {
  const clock = createManualClock();
  const store = createMemoryStore({ clock });
  const managers = Array.from({ length: count }, () => createLockManager(far(store, clock, awayMs, wakes), { clock }));
  const grants = managers.map(() => 0);
  const endAt = clock.now() + RUN_MS;
  const work = async (manager: LockManager, index: number): Promise<void> => {
    const task = async (): Promise<void> => {
      if (clock.now() < endAt) grants[index] = (grants[index] ?? 0) + 1;
      await pause(clock, 0.5 + clock.random());
    };
    while (clock.now() < endAt) {
      if (kind === 'locks') await manager.withLock('x', task);
      else await manager.semaphore('x', { permits: 2 }).withPermits(task);
    }
  };
  const all = managers.flatMap((manager, index) => Array.from({ length: tasks }, () => work(manager, index)));
  await clock.advance(2 * RUN_MS);
  await Promise.all(all);
  const closed = managers.map((manager) => manager.close());
  await clock.advance(1_000);
  await Promise.all(closed);
  return grants;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);

const stores = [
  { wakes: 'messages', awayMs: 0 },
  { wakes: 'messages', awayMs: 5 },
  { wakes: 'polls', awayMs: 0 },
  { wakes: 'polls', awayMs: 2 },
  { wakes: 'backoff', awayMs: 0.5 },
] as const;

describe.each(['locks', 'permits'] as const)('%s that three managers want all the time', (kind) => {
  it.each(stores)('go to each of them for a quarter of its share at least ($wakes, $awayMs ms away)', async ({ wakes, awayMs }) => {
    const grants = await grantsOf({ wakes, awayMs, kind, managers: 3, tasks: 3 });
    const isShared = Math.min(...grants) > sum(grants) / 3 / 4;
    expect({ grants, isShared }).toEqual({ grants, isShared: true });
  });

  it.each(stores)('go from hand to hand nearly as fast as within one manager ($wakes, $awayMs ms away)', async ({ wakes, awayMs }) => {
    const three = await grantsOf({ wakes, awayMs, kind, managers: 3, tasks: 3 });
    const one = await grantsOf({ wakes, awayMs, kind, managers: 1, tasks: 9 });
    expect(sum(three)).toBeGreaterThan(0.85 * sum(one));
  });
});

it.each(['messages', 'polls', 'backoff'] as const)('a manager that is alone loses little to its pauses (%s)', async (wakes) => {
  const [grants = 0] = await grantsOf({ wakes, awayMs: 0, kind: 'locks', managers: 1, tasks: 9 });
  // Sections of 1 ms, one behind the other.
  expect(grants).toBeGreaterThan(0.94 * RUN_MS);
});

describe('waits that are shorter than a pause', () => {
  it.each([
    [16, Number.POSITIVE_INFINITY],
    [Number.POSITIVE_INFINITY, 16],
  ])('are asked for in time nevertheless, in front and behind (%d and %d ms)', async (...waitsMs) => {
    const clock = createManualClock();
    const manager = createLockManager(far(createMemoryStore({ clock }), clock, 0, 'polls'), { clock });
    const all = Promise.allSettled(
      waitsMs.map(async (waitMs) => {
        for (let i = 0; i < 400; i += 1) await manager.withLock('x', { waitMs }, () => pause(clock, 3));
      }),
    );
    await clock.advance(5_000);
    expect((await all).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
    await manager.close();
  });
});
