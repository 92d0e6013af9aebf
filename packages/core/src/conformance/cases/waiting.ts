import assert from 'node:assert/strict';
import type { LockManager } from '../../index.js';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { delay, eventually, granted, HELD, isFree, isSeenWaiting, queued, SOON_MS, within } from '../expectations.js';

/** Waiting is pushed, in order, and nobody who leaves takes another's turn along. */
export const waitingCases: readonly ConformanceCase[] = [
  conformanceCase('waiting/fifo-in-one-manager', {
    title: 'the waiters of one manager are served in the order of their calls',
    async run({ manager, peer, lock }) {
      const hold = await (await peer()).acquire(lock, HELD);
      const order: number[] = [];
      const waiters = [0, 1, 2, 3, 4, 5].map((index) =>
        manager.withLock(lock, { ...HELD, waitMs: 2 * SOON_MS }, () => {
          order.push(index);
        }),
      );
      await delay(50);
      await hold.release();
      await Promise.all(waiters);
      assert.deepEqual(order, [0, 1, 2, 3, 4, 5]);
    },
  }),

  conformanceCase('waiting/fair', {
    title: 'a fair backend serves the waiters of all managers in the order in which they came',
    needs: ['fair'],
    async run({ manager, peer, lock }) {
      const managers = [manager, await peer(), await peer()];
      const hold = await manager.acquire(lock, HELD);
      const order: number[] = [];
      const waiters: Promise<void>[] = [];
      for (const [index, one] of [...managers, ...managers].entries()) {
        waiters.push(one.withLock(lock, { ...HELD, waitMs: 3 * SOON_MS }, () => void order.push(index)));
        await queued(() => manager.inspect(lock), index + 1);
      }
      await hold.release();
      await Promise.all(waiters);
      assert.deepEqual(order, [0, 1, 2, 3, 4, 5]);
    },
  }),

  conformanceCase('waiting/fair-try', {
    title: 'with a fair backend a single attempt does not overtake those who wait',
    needs: ['fair'],
    async run({ manager, peer, lock }) {
      const other = await peer();
      const third = await peer();
      for (let round = 0; round < 5; round++) {
        const hold = await manager.acquire(lock, { ...HELD, waitMs: SOON_MS });
        const waiting = other.acquire(lock, { ...HELD, waitMs: 2 * SOON_MS });
        await queued(() => manager.inspect(lock), 1);
        // Sent before the release is answered and after: at no moment is it free for somebody who did not wait.
        const attempts = [hold.release().then(() => third.tryAcquire(lock)), third.tryAcquire(lock)];
        assert.deepEqual(await Promise.all(attempts), [null, null]);
        assert.equal(await (await waiting).release(), true);
      }
    },
  }),

  conformanceCase('waiting/hand-over-is-pushed', {
    title: 'hand-overs between managers are pushed, not polled for',
    needs: ['push'],
    async run({ manager, peer, lock }) {
      const other = await peer();
      let hold = await manager.acquire(lock, HELD);
      const start = performance.now();
      for (let i = 0; i < 8; i++) {
        const waiting = (i % 2 === 0 ? other : manager).acquire(lock, { ...HELD, waitMs: 3 * SOON_MS });
        await delay(30);
        await hold.release();
        hold = await waiting;
      }
      // Polling at the allowed two seconds takes 8 on average.
      assert.ok(performance.now() - start < 4_000, `8 hand-overs took ${Math.round(performance.now() - start)} ms`);
      await hold.release();
    },
  }),

  conformanceCase('waiting/forced-release-wakes', {
    title: 'a forced release wakes a waiter',
    async run({ manager, peer, lock }) {
      const other = await peer();
      const hold = await other.acquire(lock, HELD);
      const waiting = manager.acquire(lock, { ...HELD, waitMs: SOON_MS });
      await delay(50);
      assert.equal(await (await peer()).forceRelease(lock), true);
      assert.equal(await (await waiting).release(), true);
      assert.equal(await hold.release(), false);
    },
  }),

  conformanceCase('waiting/close-wakes', {
    title: 'a manager that closes wakes the waiters of others, and its own waiters stand in nobody’s way',
    async run({ manager, peer, lock }) {
      const [leaving, other] = [await peer(), await peer()];
      const hold = await other.acquire(lock, HELD);
      const gone = leaving.acquire(lock, HELD).catch((error: unknown) => error);
      await delay(50);
      const waiting = manager.acquire(lock, { ...HELD, waitMs: 2 * SOON_MS });
      await delay(50);
      await leaving.close();
      await gone;
      await hold.release();
      const lease = await waiting;
      const next = other.acquire(lock, { ...HELD, waitMs: 2 * SOON_MS });
      await delay(50);
      await manager.close();
      assert.equal(lease.isHeld, false);
      assert.equal(await (await next).release(), true);
    },
  }),

  conformanceCase('waiting/woken-and-gone', {
    title: 'a waiter that is woken and gives up passes the turn on',
    timeoutMs: 30_000,
    async run({ manager, peer, lock }) {
      const [other, third] = [await peer(), await peer()];
      await Promise.all(
        Array.from({ length: 12 }, async (_, ticks) => {
          const hold = await third.acquire(lock, HELD);
          const controller = new AbortController();
          const leaving = manager.acquire(lock, { ...HELD, signal: controller.signal }).then(
            (lease) => lease.release(),
            () => true,
          );
          await delay(30);
          const waiting = other.acquire(lock, { ...HELD, waitMs: 10_000 });
          await delay(30);
          const released = hold.release();
          if (ticks >= 8) await delay(ticks - 8);
          else for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
          controller.abort();
          await released;
          await leaving;
          const lease = await within(`the waiter behind one that left after ${ticks} ticks`, waiting, turnMs(manager));
          assert.equal(await lease.release(), true);
        }),
      );
    },
  }),

  conformanceCase('waiting/unheard', {
    title: 'a waiter that did not hear of a release, because its connections had just ended, waits no longer than a turn',
    faults: ['killSession'],
    timeoutMs: 30_000,
    async run({ manager, peer, faults, lock }) {
      const other = await peer();
      const hold = await other.acquire(lock, HELD);
      const waiting = manager.acquire(lock, { ...HELD, waitMs: 3 * SOON_MS });
      await delay(100);
      await faults.killSession();
      assert.equal(await hold.release(), true);
      const lease = await within('the waiter', waiting, 2_000 + SOON_MS);
      assert.equal(await lease.release(), true);
    },
  }),

  conformanceCase('waiting/unheard-in-line', {
    title: 'that a waiter did not hear of its turn does not cost it its place, where holds outlive connections',
    needs: ['fair'],
    faults: ['killSession'],
    timeoutMs: 30_000,
    async run({ manager, peer, faults, lock }) {
      // A session that the store has ended has lost its place: that is the store's own word.
      if (manager.capabilities.expiry === 'session') return;
      const [other, behind] = [await peer(), await peer()];
      const hold = await other.acquire(lock, HELD);
      const order: string[] = [];
      const task = (who: string) => (): void => void order.push(who);
      const first = manager.withLock(lock, { ...HELD, waitMs: 3 * SOON_MS }, task('first'));
      await queued(() => other.inspect(lock), 1);
      const second = behind.withLock(lock, { ...HELD, waitMs: 3 * SOON_MS }, task('second'));
      await queued(() => other.inspect(lock), 2);
      await faults.killSession();
      await hold.release();
      await Promise.all([first, second]);
      assert.deepEqual(order, ['first', 'second']);
    },
  }),

  conformanceCase('waiting/timed-out-in-front', {
    title: 'a waiter whose time runs out in front of others costs them nothing',
    async run({ manager, peer, lock }) {
      const [other, third] = [await peer(), await peer()];
      const hold = await third.acquire(lock, HELD);
      const impatient = [manager, other].map((one) => one.acquire(lock, { ...HELD, waitMs: 100 }).catch((error: unknown) => error));
      const waiting = [manager, other].map((one) => one.acquire(lock, { ...HELD, waitMs: 3 * SOON_MS }));
      await Promise.all(impatient);
      await hold.release();
      const released = Promise.all(waiting.map(async (waiter) => (await waiter).release()));
      assert.deepEqual(await within('the patient waiters', released, turnMs(manager)), [true, true]);
    },
  }),

  conformanceCase('waiting/many', {
    title: 'fifty waiters of three managers all get their turn',
    async run({ manager, peer, lock }) {
      const managers: readonly LockManager[] = [manager, await peer(), await peer()];
      const hold = await manager.acquire(lock, HELD);
      let served = 0;
      const waiters = Array.from({ length: 51 }, (_, i) =>
        granted(managers[i % 3]).withLock(lock, { ...HELD, waitMs: 3 * SOON_MS }, () => {
          served += 1;
        }),
      );
      await delay(50);
      await hold.release();
      await Promise.all(waiters);
      assert.equal(served, 51);
      await isFree(manager, lock);
    },
  }),

  conformanceCase('waiting/idle-cost', {
    title: 'an idle waiter costs less than one request a second',
    faults: ['requests'],
    async run({ manager, peer, faults, name }) {
      const locks = [name(), name()];
      const other = await peer();
      const holds = await Promise.all(locks.map((lock) => other.acquire(lock, HELD)));
      const waiters = locks.flatMap((lock) => Array.from({ length: 5 }, () => manager.withLock(lock, { waitMs: 3 * SOON_MS }, () => {})));
      await delay(200);
      // A wait begins with requests that follow each other ever more slowly: on a busy machine it has just begun.
      let sent = Number.POSITIVE_INFINITY;
      for (let span = 0; span < 3 && sent >= 9; span += 1) {
        // oxlint-disable-next-line no-await-in-loop
        const before = await faults.requests();
        // oxlint-disable-next-line no-await-in-loop
        await delay(900);
        // oxlint-disable-next-line no-await-in-loop
        sent = (await faults.requests()) - before;
      }
      assert.ok(sent < 9, `${sent} requests in 0.9 s for 10 idle waiters`);
      for (const hold of holds) await hold.release();
      await Promise.all(waiters);
    },
  }),

  conformanceCase('waiting/inspect', {
    title: 'inspect counts waiters and says since when, where the store can tell, and forgets those that left',
    async run({ manager, peer, lock }) {
      const other = await peer();
      const began = performance.now();
      const hold = await manager.acquire(lock, HELD);
      const controller = new AbortController();
      const waiting = other.acquire(lock, { signal: controller.signal }).catch(() => null);
      const isCounted = await isSeenWaiting(manager, lock);
      if (isCounted) {
        const { waiters, oldestWaitMs } = await manager.inspect(lock);
        assert.ok(waiters !== null && waiters >= 1, `${waiters} wait`);
        assert.ok(
          oldestWaitMs === null || oldestWaitMs === undefined || (oldestWaitMs >= 0 && oldestWaitMs <= performance.now() - began + 50),
          `the oldest wait is ${oldestWaitMs} ms`,
        );
      }
      controller.abort();
      await waiting;
      if (isCounted) {
        await eventually('nobody waits', async () => {
          const { waiters, oldestWaitMs } = await manager.inspect(lock);
          return waiters === 0 && (oldestWaitMs ?? null) === null;
        });
      }
      await hold.release();
    },
  }),
];

/** Within this a turn is passed on: pushed, it takes no time; else a poll of two seconds finds it. */
function turnMs(manager: LockManager): number {
  return manager.capabilities.push ? 1_500 : SOON_MS;
}
