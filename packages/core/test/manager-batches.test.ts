import { createLockManager, type LockBackend, LockUnavailableError } from '@holdfast/core';
import { createMemoryBackend } from '@holdfast/core/memory';
import { createManualClock, createTestMemoryStore } from '@holdfast/core/testing';
import { expect, it } from 'vitest';
import { outcomeOf } from './manager-world.js';
import { altered } from './mutants/mutant.js';

/** A store that refuses permanently whatever names `foreign`, also in a batch with others. */
function refusing(backend: LockBackend<bigint>, isRefusing: () => boolean): LockBackend<bigint> {
  const check = (requests: readonly { readonly name: string }[]): void => {
    if (isRefusing() && requests.some(({ name }) => name === 'foreign')) {
      throw new LockUnavailableError('not a lock', { retryable: false });
    }
  };
  return altered(backend, {
    attempt: async (requests, call) => (check(requests), backend.attempt(requests, call)),
    renew: async (holds, call) => (check(holds), backend.renew(holds, call)),
    release: async (holds, call) => (check(holds), backend.release(holds, call)),
  }) as LockBackend<bigint>;
}

it('a hold that the store refuses to renew permanently does not cost the others of its batch', async () => {
  const clock = createManualClock();
  const store = createTestMemoryStore({ clock });
  let isRefusing = false;
  const manager = createLockManager(
    refusing(createMemoryBackend({ store, fair: false }), () => isRefusing),
    { clock, ttlMs: 3_000 },
  );
  const [foreign, other] = await Promise.all([manager.acquire('foreign'), manager.acquire('other')]);
  isRefusing = true;
  await clock.advance(10_000);
  expect([foreign.isHeld, other.isHeld]).toEqual([false, true]);
  await other.extend(20_000);
  const extended = [outcomeOf(other.extend(30_000)), outcomeOf(manager.acquire('foreign'))];
  await clock.advance(1);
  expect(extended.map(({ code }) => code)).toEqual([null, 'LOCK_BACKEND_UNAVAILABLE']);
  const closed = outcomeOf(manager.close());
  await clock.advance(10_000);
  expect([closed.status, clock.pendingTimers]).toEqual(['fulfilled', 0]);
});

it('an extension that the store refuses permanently does not refuse the others of its batch', async () => {
  const clock = createManualClock();
  const store = createTestMemoryStore({ clock });
  let isRefusing = false;
  const manager = createLockManager(
    refusing(createMemoryBackend({ store, fair: false }), () => isRefusing),
    { clock },
  );
  const [foreign, other] = await Promise.all([manager.acquire('foreign'), manager.acquire('other')]);
  isRefusing = true;
  const extended = [outcomeOf(foreign.extend(60_000)), outcomeOf(other.extend(60_000))];
  await clock.settle();
  expect(extended.map(({ status, code }) => code ?? status)).toEqual(['LOCK_BACKEND_UNAVAILABLE', 'fulfilled']);
  expect(other.remainingMs).toBe(60_000);
});

it('a release that the store refuses permanently leaves no other hold behind', async () => {
  const clock = createManualClock();
  const store = createTestMemoryStore({ clock });
  const onlooker = createLockManager(createMemoryBackend({ store: store.peer() }), { clock });
  const manager = createLockManager(
    refusing(createMemoryBackend({ store, fair: false }), () => true),
    { clock, commandTimeoutMs: 1_000 },
  );
  // Still under way when it is given up: a release must be answered after it was.
  const stalled = store.stallNext({ name: 'late' });
  const late = outcomeOf(manager.tryAcquire('late'));
  await clock.advance(1_000);
  expect(late.code).toBe('LOCK_BACKEND_UNAVAILABLE');
  const foreign = outcomeOf(manager.tryAcquire('foreign'));
  await clock.settle();
  expect(foreign.code).toBe('LOCK_BACKEND_UNAVAILABLE');
  await clock.advance(100);
  stalled.resume();
  await clock.advance(2_000);
  expect((await onlooker.inspect('late')).held).toBe(false);
});
