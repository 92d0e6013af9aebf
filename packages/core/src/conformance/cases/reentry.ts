import assert from 'node:assert/strict';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { delay, gate, granted, HELD, isFree, rejectsWith, RUNS_OUT_MS, SOON_MS } from '../expectations.js';

/** A running task that waits for what it still holds is notified at once, instead of hanging. */
export const reentryCases: readonly ConformanceCase[] = [
  conformanceCase('reentry/lock', {
    title: 'a task that asks again for its own lock is notified; a single attempt says busy',
    async run({ manager, name, lock }) {
      const free = name();
      await manager.withLock(lock, HELD, async () => {
        await rejectsWith('LOCK_REENTRY', manager.acquire(lock));
        await rejectsWith('LOCK_REENTRY', manager.acquire(lock, { waitMs: 60_000 }));
        await rejectsWith(
          'LOCK_REENTRY',
          manager.withLock(lock, () => assert.fail('a task ran beside itself')),
        );
        await rejectsWith('LOCK_REENTRY', manager.acquireAll([free, lock]));
        assert.equal(await manager.tryAcquire(lock), null);
        assert.deepEqual(await manager.tryWithLock(lock, () => 1), { acquired: false });
        assert.deepEqual([...(await manager.tryAcquireEach([lock])).keys()], []);
        await isFree(manager, free);
      });
      await isFree(manager, lock);
    },
  }),

  conformanceCase('reentry/group', {
    title: 'a task under a group gets LOCK_REENTRY for each of its names',
    async run({ manager, name }) {
      const names = [name('-a'), name('-b')];
      await manager.withAll(names, HELD, async () => {
        for (const one of names) {
          await rejectsWith('LOCK_REENTRY', manager.acquire(one));
          assert.equal(await manager.tryAcquire(one), null);
        }
        await rejectsWith(
          'LOCK_REENTRY',
          manager.withAll(names, () => {}),
        );
      });
    },
  }),

  conformanceCase('reentry/deep', {
    title: 'the task is recognised through awaits, timers and nested tasks',
    async run({ manager, name }) {
      const [outer, inner] = [name(), name()];
      await manager.withLock(outer, HELD, async () => {
        await delay(5);
        await manager.withLock(inner, HELD, async () => {
          await Promise.all([
            rejectsWith('LOCK_REENTRY', manager.acquire(outer)),
            rejectsWith('LOCK_REENTRY', manager.acquire(inner)),
            new Promise((resolve, reject) => {
              setTimeout(() => void rejectsWith('LOCK_REENTRY', manager.acquire(outer)).then(resolve, reject), 5);
            }),
          ]);
        });
        // Only what it still holds counts.
        await manager.withLock(inner, HELD, () => {});
        await rejectsWith('LOCK_REENTRY', manager.acquire(outer));
      });
    },
  }),

  conformanceCase('reentry/released-early', {
    title: 'a task that has let go of its lock may ask for it again',
    async run({ manager, lock }) {
      await manager.withLock(lock, HELD, async (lease) => {
        assert.equal(await lease.release(), true);
        await isFree(manager, lock);
      });
    },
  }),

  conformanceCase('reentry/outlives-the-task', {
    title: 'what a task started and left running is not in the task any more when it has ended',
    async run({ manager, lock }) {
      const ended = gate();
      let later: Promise<void> | undefined;
      await manager.withLock(lock, HELD, () => {
        later = ended.opened.then(() => isFree(manager, lock));
      });
      ended.open();
      await later;
    },
  }),

  conformanceCase('reentry/siblings', {
    title: 'other tasks wait as usual, also those that are started beside it',
    async run({ manager, lock }) {
      const order: number[] = [];
      const task = (index: number) => async (): Promise<void> => {
        order.push(index);
        await delay(10);
        order.push(index);
      };
      await Promise.all([0, 1, 2].map((index) => manager.withLock(lock, { ...HELD, waitMs: SOON_MS }, task(index))));
      assert.deepEqual(order, [0, 0, 1, 1, 2, 2]);
    },
  }),

  conformanceCase('reentry/bare', {
    title: 'a bare acquire is no task: asking again waits, in this flow and in those that start from it',
    async run({ manager, lock }) {
      const lease = await manager.acquire(lock, HELD);
      await rejectsWith('LOCK_TIMEOUT', manager.acquire(lock, { waitMs: RUNS_OUT_MS }));
      const waiting = manager.withLock(lock, { ...HELD, waitMs: SOON_MS }, () => 1);
      await delay(20);
      await lease.release();
      assert.equal(await waiting, 1);
    },
  }),

  conformanceCase('reentry/other-names', {
    title: 'a task may take other names, and names of other kinds',
    async run({ manager, lock }) {
      await manager.withLock(lock, HELD, async () => {
        await isFree(manager, `${lock}/other`);
        if (manager.capabilities.semaphores) await (await manager.semaphore(lock, { permits: 1 }).acquire({ waitMs: SOON_MS })).release();
        if (manager.capabilities.readWriteLocks) await (await manager.readWriteLock(lock).write.acquire({ waitMs: SOON_MS })).release();
      });
    },
  }),

  conformanceCase('reentry/read-write', {
    title: 'from reading to writing, and from writing to either, is reported',
    needs: ['readWriteLocks'],
    async run({ manager, name }) {
      const lock = manager.readWriteLock(name());
      await lock.read.withLock(HELD, async () => {
        await rejectsWith('LOCK_REENTRY', lock.write.acquire());
        await rejectsWith(
          'LOCK_REENTRY',
          lock.write.withLock(() => {}),
        );
        assert.equal(await lock.write.tryAcquire(), null);
        // Through another object of the same name, too.
        await rejectsWith('LOCK_REENTRY', manager.readWriteLock(lock.name).write.acquire());
      });
      await lock.write.withLock(HELD, async () => {
        await rejectsWith('LOCK_REENTRY', lock.write.acquire());
        await rejectsWith('LOCK_REENTRY', lock.read.acquire());
        assert.equal(await lock.read.tryAcquire(), null);
      });
      await granted(await lock.write.tryAcquire()).release();
    },
  }),

  conformanceCase('reentry/semaphore', {
    title: 'a task may take more permits while they fit beside its own, and is notified when they never will',
    needs: ['semaphores'],
    async run({ manager, name }) {
      const semaphore = manager.semaphore(name(), { permits: 3 });
      await semaphore.withPermits({ ...HELD, permits: 2 }, async () => {
        assert.equal(await semaphore.withPermits({ ...HELD, waitMs: SOON_MS }, () => 1), 1);
        await rejectsWith('LOCK_REENTRY', semaphore.acquire({ permits: 2 }));
        assert.equal(await semaphore.tryAcquire({ permits: 2 }), null);
        await semaphore.withPermits({ ...HELD, waitMs: SOON_MS }, async () => {
          await rejectsWith('LOCK_REENTRY', semaphore.acquire());
        });
      });
      await granted(await semaphore.tryAcquire({ permits: 3 })).release();
    },
  }),

  conformanceCase('reentry/semaphore-others', {
    title: 'permits that others hold are waited for as usual',
    needs: ['semaphores'],
    async run({ manager, peer, name }) {
      const semaphore = manager.semaphore(name(), { permits: 3 });
      const theirs = granted(await (await peer()).semaphore(semaphore.name, { permits: 3 }).tryAcquire(HELD));
      await semaphore.withPermits({ ...HELD, permits: 2 }, async () => {
        setTimeout(() => void theirs.release(), 50);
        assert.equal(await (await semaphore.acquire({ waitMs: SOON_MS })).release(), true);
      });
    },
  }),
];
