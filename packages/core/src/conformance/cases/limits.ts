import assert from 'node:assert/strict';
import type { LimitDiffersEvent, LockManager, ManagerOptions } from '../../index.js';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { eventually, granted, HELD, SOON_MS } from '../expectations.js';

/** Semaphores that are opened with different limits. */
export const limitCases: readonly ConformanceCase[] = [
  conformanceCase('semaphores/limit-differs', {
    title: 'a holder who goes by another limit is reported to everybody who asks, once a name, and nobody is refused for it',
    needs: ['semaphores', 'reportsLimits'],
    async run({ peer, name }) {
      const [first, second] = [await observed(peer), await observed(peer)];
      const semaphore = name();
      const mine = first.manager.semaphore(semaphore, { permits: 2 });
      const theirs = second.manager.semaphore(semaphore, { permits: 3 });
      const holds = [granted(await mine.tryAcquire(HELD))];
      holds.push(granted(await theirs.tryAcquire(HELD), 'another limit is no reason to be refused'));
      await eventually('the one who came second is notified', () => second.seen.length > 0);
      // Whether it is busy with one of two and one of three is for the store to say: permits of some are numbered.
      const more = await mine.tryAcquire(HELD);
      if (more !== null) holds.push(more);
      await eventually('the one who was first is notified with its next request', () => first.seen.length > 0);
      for (const hold of holds) assert.equal(await hold.release(), true);
      assert.deepEqual(
        [first, second].map(({ seen }) => seen.map(told)),
        [[{ name: semaphore, limit: 2, holdersLimit: 3 }], [{ name: semaphore, limit: 3, holdersLimit: 2 }]],
      );
    },
  }),

  conformanceCase('semaphores/limit-differs-waiting', {
    title: 'a waiter behind holders who go by another limit is notified, at the latest as it is granted',
    needs: ['semaphores', 'reportsLimits'],
    async run({ peer, name }) {
      const [first, second] = [await observed(peer), await observed(peer)];
      const semaphore = name();
      const holds = await Promise.all(
        [0, 1].map(() => first.manager.semaphore(semaphore, { permits: 2 }).acquire({ ...HELD, waitMs: SOON_MS })),
      );
      const waiting = second.manager.semaphore(semaphore, { permits: 1 }).acquire({ ...HELD, waitMs: SOON_MS });
      await eventually('the one who waits is notified', () => second.seen.length > 0);
      for (const hold of holds) await hold.release();
      await (await waiting).release();
      assert.deepEqual(second.seen.map(told), [{ name: semaphore, limit: 1, holdersLimit: 2 }]);
    },
  }),

  conformanceCase('semaphores/limit-agrees', {
    title: 'nothing is reported of holders who go by the same limit, nor of those who have gone',
    needs: ['semaphores', 'reportsLimits'],
    async run({ peer, name }) {
      const [first, second] = [await observed(peer), await observed(peer)];
      const semaphore = name();
      const hold = granted(await first.manager.semaphore(semaphore, { permits: 2 }).tryAcquire(HELD));
      await granted(await second.manager.semaphore(semaphore, { permits: 2 }).tryAcquire(HELD)).release();
      await hold.release();
      await granted(await second.manager.semaphore(semaphore, { permits: 5 }).tryAcquire(HELD)).release();
      await granted(await first.manager.semaphore(`${semaphore}-other`, { permits: 7 }).tryAcquire(HELD)).release();
      assert.deepEqual([...first.seen, ...second.seen], []);
    },
  }),
];

interface Observed {
  readonly manager: LockManager;
  readonly seen: LimitDiffersEvent[];
}

async function observed(peer: (options: ManagerOptions) => Promise<LockManager>): Promise<Observed> {
  const seen: LimitDiffersEvent[] = [];
  const manager = await peer({
    onEvent(event) {
      if (event.type === 'limit-differs') seen.push(event);
    },
  });
  return { manager, seen };
}

function told({ name, limit, holdersLimit }: LimitDiffersEvent): object {
  return { name, limit, holdersLimit };
}
