import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { delay, granted, HELD, isFree, LONG_TTL_MS, rejectsWith, rejectsWithReason, RUNS_OUT_MS, SOON_MS } from '../expectations.js';

/** A caller that leaves, at whatever moment, gets its own reason and leaves nothing behind. */
export const abortCases: readonly ConformanceCase[] = [
  conformanceCase('abort/before', {
    title: 'a signal that is aborted already ends every call with its reason, before anything is taken',
    async run({ manager, peer, lock }) {
      const other = await peer();
      const reason = { its: 'own reason' };
      const signal = AbortSignal.abort(reason);
      await rejectsWithReason(reason, manager.acquire(lock, { signal }));
      await rejectsWithReason(reason, manager.tryAcquire(lock, { signal }));
      await rejectsWithReason(
        reason,
        manager.withLock(lock, { signal }, () => assert.fail('the task ran')),
      );
      await rejectsWithReason(
        reason,
        manager.tryWithLock(lock, { signal }, () => assert.fail('the task ran')),
      );
      await rejectsWithReason(reason, manager.acquireAll([lock], { signal }));
      await rejectsWithReason(reason, manager.tryAcquireEach([lock], { signal }));
      await granted(await other.tryAcquire(lock)).release();
    },
  }),

  conformanceCase('abort/default-reason', {
    title: 'an abort without a reason rejects with the AbortError of the signal, a timeout with its TimeoutError',
    async run({ manager, peer, lock }) {
      const hold = await (await peer()).acquire(lock, HELD);
      const controller = new AbortController();
      const waiting = manager.acquire(lock, { signal: controller.signal });
      controller.abort();
      await rejectsWithReason(controller.signal.reason, waiting);
      const timeout = AbortSignal.timeout(30);
      const error: unknown = await manager.acquire(lock, { signal: timeout }).catch((caught: unknown) => caught);
      assert.ok(Object.is(error, timeout.reason));
      await hold.release();
    },
  }),

  conformanceCase('abort/at-every-await', {
    title: 'an abort at any moment of taking a free lock ends in a lease or in the reason, and never in a stuck lock',
    timeoutMs: 30_000,
    async run({ manager, peer, lock }) {
      const other = await peer();
      await Promise.all(
        moments.map(async (moment) => {
          const controller = new AbortController();
          const attempt = manager.acquire(lock, { signal: controller.signal, ttlMs: LONG_TTL_MS, waitMs: 2 * SOON_MS });
          const outcome = Promise.allSettled([attempt]);
          await moment();
          controller.abort('left');
          const [settled] = await outcome;
          if (settled.status === 'fulfilled') {
            // Granted first: the signal has no effect any more.
            assert.equal(settled.value.isHeld, true);
            assert.equal(await settled.value.release(), true);
          } else {
            assert.equal(settled.reason, 'left');
          }
          await isFree(other, lock, 2 * SOON_MS);
        }),
      );
    },
  }),

  conformanceCase('abort/at-once', {
    title: 'an abort right after the call wins over the grant',
    async run({ manager, peer, lock }) {
      const other = await peer();
      for (const call of ['acquire', 'tryAcquire'] as const) {
        const controller = new AbortController();
        const attempt = manager[call](lock, { signal: controller.signal, ttlMs: LONG_TTL_MS });
        controller.abort('left');
        await rejectsWithReason('left', attempt);
        await isFree(other, lock);
      }
    },
  }),

  conformanceCase('abort/at-the-grant', {
    title: 'an abort of a waiter around the moment of its grant never leaves a stuck lock, and the next waiter gets it',
    timeoutMs: 30_000,
    async run({ manager, peer, lock }) {
      const other = await peer();
      await Promise.all(
        moments.map(async (moment) => {
          const hold = await other.acquire(lock, HELD);
          const controller = new AbortController();
          const first = Promise.allSettled([manager.acquire(lock, { signal: controller.signal, ttlMs: LONG_TTL_MS })]);
          const second = manager.acquire(lock, { waitMs: 2 * SOON_MS, ttlMs: LONG_TTL_MS });
          const third = other.acquire(lock, { waitMs: 3 * SOON_MS, ttlMs: LONG_TTL_MS });
          await delay(20);
          const released = hold.release();
          await moment();
          controller.abort('left');
          const [settled] = await first;
          if (settled.status === 'fulfilled') await settled.value.release();
          else assert.equal(settled.reason, 'left');
          assert.equal(await released, true);
          const finish = async (waiter: typeof second): Promise<void> => {
            assert.equal(await (await waiter).release(), true);
          };
          await Promise.all([finish(second), finish(third)]);
        }),
      );
    },
  }),

  conformanceCase('abort/after-the-grant', {
    title: 'the signal of the call has no effect on the lease, and no listener stays on it',
    async run({ manager, name }) {
      const controller = new AbortController();
      const lease = await manager.acquire(name(), { signal: controller.signal, ttlMs: LONG_TTL_MS });
      const attempt = await manager.tryAcquire(name(), { signal: controller.signal });
      const group = await manager.acquireAll([name(), name()], { signal: controller.signal });
      await rejectsWith('LOCK_TIMEOUT', manager.acquire(lease.name, { signal: controller.signal, waitMs: RUNS_OUT_MS }));
      assert.equal(getEventListeners(controller.signal, 'abort').length, 0, 'a listener stayed on the signal of a call that has settled');
      controller.abort();
      await delay(20);
      assert.equal(lease.isHeld, true);
      assert.equal(lease.signal.aborted, false);
      await Promise.all([lease.release(), attempt?.release(), group.release()]);
    },
  }),
];

// From the same tick over some microtasks to some turns of the event loop: on memory a grant takes microtasks, over a
// network turns.
const moments: readonly (() => Promise<void>)[] = [
  ...Array.from({ length: 13 }, (_, ticks) => async () => {
    for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
  }),
  ...Array.from({ length: 6 }, (_, turns) => async () => {
    for (let turn = 0; turn <= turns; turn++) await new Promise((resolve) => setImmediate(resolve));
  }),
  ...[1, 2, 3, 5, 8].map((ms) => () => delay(ms)),
];
