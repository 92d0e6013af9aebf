import assert from 'node:assert/strict';
import type { LockManager } from '../../index.js';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { delay, gate, granted, HELD, isBusy, isFree, isLost, rejectsWith, SOON_MS, whileSilent, within } from '../expectations.js';

/** Closing is orderly: waiters are notified, holders are notified before they are freed, and others notice nothing else. */
export const closeCases: readonly ConformanceCase[] = [
  conformanceCase('close/refuses', {
    title: 'a closed manager refuses every call with LOCK_CLOSED',
    async run({ manager, peer, name, lock }) {
      const closed = await peer();
      const semaphore = closed.capabilities.semaphores ? closed.semaphore(name(), { permits: 1 }) : null;
      const readWrite = closed.capabilities.readWriteLocks ? closed.readWriteLock(name()) : null;
      await closed.close();
      await everyCallIsRefused(closed, lock);
      if (semaphore !== null)
        await Promise.all(
          [semaphore.acquire(), semaphore.tryAcquire(), semaphore.inspect()].map((call) => rejectsWith('LOCK_CLOSED', call)),
        );
      if (readWrite !== null)
        await Promise.all([readWrite.read.acquire(), readWrite.write.tryAcquire()].map((call) => rejectsWith('LOCK_CLOSED', call)));
      const health = await closed.checkHealth();
      assert.ok(!health.ok && health.error.code === 'LOCK_CLOSED');
      await isFree(manager, lock);
    },
  }),

  conformanceCase('close/waiters', {
    title: 'waiters of every kind are rejected with LOCK_CLOSED, at once',
    async run({ manager, peer, name, lock }) {
      const leaving = await peer();
      const hold = await manager.acquire(lock, HELD);
      const waiters: Promise<unknown>[] = [
        leaving.acquire(lock),
        leaving.acquire(lock, { waitMs: 60_000 }),
        leaving.withLock(lock, () => assert.fail('a task ran')),
        leaving.acquireAll([name(), lock]),
      ];
      if (leaving.capabilities.semaphores) {
        const semaphore = name();
        granted(await manager.semaphore(semaphore, { permits: 1 }).tryAcquire(HELD));
        waiters.push(leaving.semaphore(semaphore, { permits: 1 }).acquire());
      }
      if (leaving.capabilities.readWriteLocks) {
        const readWrite = name();
        granted(await manager.readWriteLock(readWrite).write.tryAcquire(HELD));
        waiters.push(leaving.readWriteLock(readWrite).read.acquire(), leaving.readWriteLock(readWrite).write.acquire());
      }
      const refused = Promise.all(waiters.map((waiter) => rejectsWith('LOCK_CLOSED', waiter)));
      await delay(50);
      await within('close', leaving.close());
      await refused;
      assert.equal(hold.isHeld, true);
      assert.equal(await hold.release(), true);
      await isFree(manager, lock);
    },
  }),

  conformanceCase('close/tells-before-it-frees', {
    title: 'each signal aborts with reason closed before the hold is freed',
    async run({ manager, peer, name }) {
      const locks = [name(), name()];
      const leaving = await peer();
      let wasFree = false;
      const next = Promise.all(locks.map((lock) => leaving.acquire(lock, HELD))).then((leases) =>
        leases.map((lease) => {
          const waiting = manager.acquire(lease.name, { ...HELD, waitMs: 2 * SOON_MS }).then((taken) => {
            wasFree ||= !lease.signal.aborted;
            return taken;
          });
          return { lease, waiting };
        }),
      );
      const holds = await next;
      await delay(50);
      await leaving.close();
      for (const { lease, waiting } of holds) {
        assert.equal((await isLost(lease)).reason, 'closed');
        assert.equal(await (await waiting).release(), true);
        await within('a release after close', Promise.allSettled([lease.release()]));
      }
      assert.equal(wasFree, false, 'a hold was freed before its holder was notified');
    },
  }),

  conformanceCase('close/drains', {
    title: 'within drainMs holders finish undisturbed, and close ends as soon as they have',
    async run({ manager, peer, name, lock }) {
      const leaving = await peer();
      const lease = await leaving.acquire(lock, HELD);
      const start = performance.now();
      const closing = leaving.close({ drainMs: 30_000 });
      await rejectsWith('LOCK_CLOSED', leaving.acquire(lock));
      await rejectsWith('LOCK_CLOSED', leaving.tryAcquire(name()));
      await delay(100);
      assert.equal(lease.isHeld, true, 'a hold was freed before its time to drain was over');
      await isBusy(manager, lock);
      await lease.extend();
      assert.equal(await lease.release(), true);
      await within('close after the last release', closing, SOON_MS);
      assert.ok(performance.now() - start < 15_000);
      assert.equal(lease.signal.aborted, false);
      await isFree(manager, lock);
    },
  }),

  conformanceCase('close/drain-runs-out', {
    title: 'holders that do not finish within drainMs are notified and freed',
    async run({ manager, peer, name }) {
      const leaving = await peer();
      const lease = await leaving.acquire(name(), HELD);
      const start = performance.now();
      await within('close', leaving.close({ drainMs: 200 }));
      assert.ok(performance.now() - start >= 190, 'close did not wait for holders');
      assert.equal((await isLost(lease)).reason, 'closed');
      await isFree(manager, lease.name);
    },
  }),

  conformanceCase('close/with-lock', {
    title: 'a task that drains in time has its value; one that does not is notified of the loss',
    async run({ peer, name }) {
      const draining = await peer();
      // The first contact with a store takes its time.
      const started = gate();
      const finished = draining.withLock(name(), HELD, () => {
        started.open();
        return delay(100).then(() => 'finished');
      });
      await started.opened;
      await draining.close({ drainMs: 10_000 });
      assert.equal(await finished, 'finished');

      const leaving = await peer();
      const begun = gate();
      const cut = leaving.withLock(name(), HELD, async (lease) => {
        begun.open();
        await isLost(lease);
        return 'cut';
      });
      const error = rejectsWith('LOCK_LOST', cut);
      await begun.opened;
      await leaving.close();
      assert.equal((await error).reason, 'closed');
      assert.deepEqual((await error).outcome, { status: 'fulfilled', value: 'cut' });
    },
  }),

  conformanceCase('close/idempotent', {
    title: 'close may be called any number of times, side by side too, and is what await using calls',
    async run({ peer, name }) {
      const leaving = await peer();
      await leaving.acquire(name());
      await Promise.all([leaving.close(), leaving.close({ drainMs: 10 }), leaving[Symbol.asyncDispose]()]);
      await leaving.close();
      const other = await peer();
      await other[Symbol.asyncDispose]();
      await rejectsWith('LOCK_CLOSED', other.tryAcquire(name()));
    },
  }),

  conformanceCase('close/while-acquiring', {
    title: 'a close during an acquire ends it, and leaves nothing taken',
    async run({ manager, peer, lock }) {
      await Promise.all(
        Array.from({ length: 8 }, async (_, ticks) => {
          const leaving = await peer();
          const call = leaving.acquire(lock, HELD).then(
            () => 'granted',
            (error: { code?: unknown }) => error.code,
          );
          for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
          if (ticks > 5) await delay(ticks - 5);
          await leaving.close();
          assert.ok(['granted', 'LOCK_CLOSED'].includes(String(await call)), `the call ended as ${String(await call)}`);
          await isFree(manager, lock);
        }),
      );
    },
  }),

  conformanceCase('close/peers', {
    title: 'the close of one manager leaves the holds and waiters of others alone',
    async run({ manager, peer, name, lock }) {
      const [leaving, other] = [await peer(), await peer()];
      const hold = await manager.acquire(lock, { ttlMs: 1_200, waitMs: SOON_MS });
      const waiting = other.acquire(lock, { ...HELD, waitMs: 3 * SOON_MS });
      await isFree(leaving, name());
      await leaving.close();
      await delay(300);
      assert.equal(hold.isHeld, true);
      assert.equal(await hold.release(), true);
      assert.equal(await (await waiting).release(), true);
    },
  }),

  conformanceCase('close/while-cut-off', {
    title: 'close settles in its time while the store is out of reach, and notifies the holders',
    faults: ['disconnect', 'reconnect'],
    options: { commandTimeoutMs: 300 },
    async run({ manager, peer, faults, name }) {
      const lease = await manager.acquire(name(), { ttlMs: 600, waitMs: SOON_MS });
      const waiting = rejectsWith('LOCK_CLOSED', manager.acquire(lease.name));
      await delay(30);
      await faults.disconnect();
      await within('close', Promise.allSettled([manager.close()]), 2 * SOON_MS);
      await waiting;
      assert.equal(lease.isHeld, false);
      assert.equal(lease.signal.aborted, true);
      await faults.reconnect();
      await isFree(await peer(), lease.name, 3 * SOON_MS);
    },
    timeoutMs: 30_000,
  }),

  conformanceCase('close/while-silent', {
    title: 'close settles in its time while the store is silent',
    faults: ['freeze', 'thaw'],
    options: { commandTimeoutMs: 300 },
    async run({ manager, faults, name }) {
      const lease = await manager.acquire(name(), HELD);
      await whileSilent(faults, async () => {
        await within('close', Promise.allSettled([manager.close()]), 2 * SOON_MS);
        assert.equal(lease.signal.aborted, true);
      });
    },
  }),
];

async function everyCallIsRefused(manager: LockManager, name: string): Promise<void> {
  const calls: Promise<unknown>[] = [
    manager.acquire(name),
    manager.tryAcquire(name),
    manager.withLock(name, () => assert.fail('a task ran')),
    manager.tryWithLock(name, () => assert.fail('a task ran')),
    manager.acquireAll([name]),
    manager.withAll([name], () => assert.fail('a task ran')),
    manager.tryAcquireEach([name]),
    manager.inspect(name),
    manager.forceRelease(name),
  ];
  if (manager.capabilities.list) calls.push(manager.list({ prefix: name })[Symbol.asyncIterator]().next());
  if (manager.marks !== null) calls.push(manager.marks.set(name, { retentionMs: 1_000 }), manager.marks.has(name));
  await Promise.all(calls.map((call) => rejectsWith('LOCK_CLOSED', call)));
}
