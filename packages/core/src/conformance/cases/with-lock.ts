import assert from 'node:assert/strict';
import { isLockError, type Lease } from '../../index.js';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { granted, HELD, isFree, isLost, LONG_TTL_MS, rejectsWith, rejectsWithReason, SOON_MS } from '../expectations.js';

// Renewed, and so notified of a forced release, every third of this.
const SOON_TOLD = { ttlMs: 1_200, waitMs: SOON_MS };

/** What comes out of a task that runs under a hold. */
export const withLockCases: readonly ConformanceCase[] = [
  conformanceCase('with-lock/values', {
    title: 'values come out as they are: plain, promised, thenable and undefined',
    async run({ manager, name }) {
      assert.equal(await manager.withLock(name(), () => 7), 7);
      assert.equal(await manager.withLock(name(), HELD, async () => 'x'), 'x');
      assert.equal(await manager.withLock(name(), undefined as unknown as object, () => 8), 8);
      assert.equal(await manager.withLock(name(), () => undefined), undefined);
      // oxlint-disable-next-line unicorn/no-thenable -- a thenable is what is tested
      const thenable = { then: (resolve: (value: number) => void) => resolve(9) } as PromiseLike<number>;
      assert.equal(await manager.withLock(name(), () => thenable), 9);
      assert.deepEqual(await manager.tryWithLock(name(), HELD, async () => 'y'), { acquired: true, value: 'y' });
    },
  }),

  conformanceCase('with-lock/task-error', {
    title: "the task's own error comes out as it is, thrown or rejected, and the lock is free",
    async run({ manager, peer, lock }) {
      const other = await peer();
      for (const failure of [new Error('failed'), new DOMException('aborted', 'AbortError')]) {
        const thrown = manager.withLock(lock, () => {
          throw failure;
        });
        await rejectsWithReason(failure, thrown);
        await rejectsWithReason(
          failure,
          manager.withLock(lock, { waitMs: SOON_MS }, () => Promise.reject(failure)),
        );
        await rejectsWithReason(
          failure,
          manager.tryWithLock(lock, () => Promise.reject(failure)),
        );
      }
      await granted(await other.tryAcquire(lock)).release();
    },
  }),

  conformanceCase('with-lock/held-until-the-end', {
    title: 'the lock is held until the task has ended, not only until it has returned a promise',
    async run({ manager, peer, lock }) {
      const other = await peer();
      await manager.withLock(lock, HELD, async (lease) => {
        for (let i = 0; i < 3; i++) assert.equal(await other.tryAcquire(lock), null);
        assert.equal(lease.isHeld, true);
        assert.equal(lease.name, lock);
      });
      await granted(await other.tryAcquire(lock)).release();
    },
  }),

  conformanceCase('with-lock/loss', {
    title: 'a task that finished after a loss rejects with LOCK_LOST, which carries its outcome',
    async run({ manager, peer, lock }) {
      const other = await peer();
      const error = await rejectsWith(
        'LOCK_LOST',
        manager.withLock(lock, SOON_TOLD, async (lease) => {
          await lose(lease, other);
          return 'done anyway';
        }),
      );
      assert.deepEqual(error.outcome, { status: 'fulfilled', value: 'done anyway' });
      assert.equal(error.lockName, lock);
    },
  }),

  conformanceCase('with-lock/unnoticed-loss', {
    title: 'a loss that only the release reveals is LOCK_LOST too',
    async run({ manager, peer, lock }) {
      const other = await peer();
      const error = await rejectsWith(
        'LOCK_LOST',
        manager.withLock(lock, HELD, async () => {
          await other.forceRelease(lock);
          return 1;
        }),
      );
      assert.deepEqual(error.outcome, { status: 'fulfilled', value: 1 });
    },
  }),

  conformanceCase('with-lock/loss-as-error', {
    title: 'a task that fails with the reason of the signal, or because of it, is a loss',
    async run({ manager, peer, name }) {
      const other = await peer();
      const wrappers: readonly ((reason: unknown) => unknown)[] = [
        (reason) => reason,
        (reason) => new Error('the request was aborted', { cause: reason }),
      ];
      await Promise.all(
        wrappers.map(async (wrap) => {
          let thrown: unknown;
          const error = await rejectsWith(
            'LOCK_LOST',
            manager.withLock(name(), SOON_TOLD, async (lease) => {
              await lose(lease, other);
              thrown = wrap(lease.signal.reason);
              throw thrown;
            }),
          );
          assert.equal(error.outcome?.status, 'rejected');
          if (error.outcome?.status === 'rejected') assert.ok(Object.is(error.outcome.reason, thrown));
        }),
      );
    },
  }),

  conformanceCase('with-lock/own-error-over-loss', {
    title: "the task's own error wins over a loss",
    async run({ manager, peer, name }) {
      const other = await peer();
      const failure = new Error('out of stock');
      const run = manager.withLock(name(), SOON_TOLD, async (lease) => {
        await lose(lease, other);
        throw failure;
      });
      await rejectsWithReason(failure, run);
    },
  }),

  conformanceCase('with-lock/all-kinds-of-loss', {
    title: 'withAll and withPermits tell a loss in the same way',
    needs: ['semaphores'],
    async run({ manager, peer, name }) {
      const other = await peer();
      const names = [name('-a'), name('-b')] as const;
      const semaphore = name();
      const group = manager.withAll(names, SOON_TOLD, async (lease) => {
        await other.forceRelease(names[1]);
        await isLost(lease);
        return 'group';
      });
      const permits = manager.semaphore(semaphore, { permits: 2 }).withPermits(SOON_TOLD, async (lease) => {
        await other.semaphore(semaphore, { permits: 2 }).forceRelease();
        await isLost(lease);
        return 'permits';
      });
      const errors = await Promise.all([rejectsWith('LOCK_LOST', group), rejectsWith('LOCK_LOST', permits)]);
      assert.deepEqual(
        errors.map((error) => error.outcome),
        [
          { status: 'fulfilled', value: 'group' },
          { status: 'fulfilled', value: 'permits' },
        ],
      );
      await isFree(other, names[0]);
    },
  }),

  conformanceCase('with-lock/failed-release', {
    title: 'a release that fails replaces neither the value nor the error of the task',
    faults: ['disconnect', 'reconnect'],
    options: { commandTimeoutMs: 300 },
    async run({ manager, peer, faults, name }) {
      const locks = [name(), name()] as const;
      const value = await manager.withLock(locks[0], HELD, async () => {
        await faults.disconnect();
        return 'the value';
      });
      assert.equal(value, 'the value');
      await faults.reconnect();
      const failure = new Error('the task failed');
      const failed = manager.withLock(locks[1], { ttlMs: LONG_TTL_MS, waitMs: 2 * SOON_MS }, async () => {
        await faults.disconnect();
        throw failure;
      });
      await rejectsWithReason(failure, failed, 3 * SOON_MS);
      await faults.reconnect();
      for (const lock of locks) await isFree(await peer(), lock, 2 * SOON_MS);
    },
    timeoutMs: 30_000,
  }),

  conformanceCase('with-lock/released-by-the-task', {
    title: 'a task may release its lock itself; that is no loss',
    async run({ manager, peer, lock }) {
      const other = await peer();
      const value = await manager.withLock(lock, async (lease) => {
        await lease.release();
        const theirs = granted(await other.tryAcquire(lock, HELD));
        assert.equal(isLockError(lease.signal.reason), false);
        return theirs;
      });
      assert.equal(value.isHeld, true);
      assert.equal(await value.release(), true, 'the end of the task freed the next holder');
    },
  }),
];

async function lose(lease: Lease, other: { forceRelease(name: string): Promise<boolean> }): Promise<void> {
  assert.equal(await other.forceRelease(lease.name), true);
  await isLost(lease);
}
