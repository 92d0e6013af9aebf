import assert from 'node:assert/strict';
import { isLockError, type LockManager } from '../../index.js';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { delay, HELD, isFree, isLost, rejectsWith, SOON_MS, whileSilent, within, worksAgain } from '../expectations.js';

/** A store out of reach is reported as that, in time, by every call; and it is forgotten when the store is back. */
export const unavailableCases: readonly ConformanceCase[] = [
  conformanceCase('unavailable/not-busy', {
    title: 'while the store is out of reach no call says busy, timeout or nothing',
    faults: ['disconnect', 'reconnect'],
    options: { commandTimeoutMs: 300 },
    async run({ manager, faults, name }) {
      await isFree(manager, name());
      await faults.disconnect();
      await everyCallIsUnavailable(manager, name);
      await faults.reconnect();
    },
  }),

  conformanceCase('unavailable/silent', {
    title: 'while the store is silent every call ends in its time, as unavailable',
    faults: ['freeze', 'thaw'],
    options: { commandTimeoutMs: 400 },
    async run({ manager, faults, name }) {
      const held = await manager.acquire(name(), HELD);
      await whileSilent(faults, async () => {
        await everyCallIsUnavailable(manager, name);
        await rejectsWith('LOCK_BACKEND_UNAVAILABLE', held.extend());
        assert.equal(held.isHeld, true);
        await rejectsWith('LOCK_BACKEND_UNAVAILABLE', held.release());
      });
      await isFree(manager, held.name, 2 * SOON_MS);
    },
    timeoutMs: 30_000,
  }),

  conformanceCase('unavailable/wait', {
    title: 'a wait that never got an answer is unavailable when it runs out, not a timeout',
    faults: ['disconnect', 'reconnect'],
    options: { commandTimeoutMs: 400 },
    async run({ manager, faults, name }) {
      await isFree(manager, name());
      await faults.disconnect();
      await rejectsWith('LOCK_BACKEND_UNAVAILABLE', manager.acquire(name(), { waitMs: 500 }));
      await rejectsWith('LOCK_BACKEND_UNAVAILABLE', manager.acquire(name(), { waitMs: 0 }));
      await faults.reconnect();
    },
  }),

  conformanceCase('unavailable/after', {
    title: 'an endless wait ends after unavailableAfterMs of nothing but failures, and not before',
    faults: ['disconnect', 'reconnect'],
    options: { commandTimeoutMs: 400, unavailableAfterMs: 1_000 },
    async run({ manager, faults, name }) {
      await isFree(manager, name());
      await faults.disconnect();
      const start = performance.now();
      await rejectsWith('LOCK_BACKEND_UNAVAILABLE', manager.acquire(name()), 1_000 + SOON_MS);
      assert.ok(performance.now() - start >= 900, 'a waiting acquire gave up at once');
      await faults.reconnect();
    },
  }),

  conformanceCase('unavailable/blip', {
    title: 'waiters ride out a blip',
    faults: ['disconnect', 'reconnect'],
    options: { commandTimeoutMs: 300, unavailableAfterMs: 10_000 },
    async run({ manager, peer, faults, lock }) {
      const other = await peer();
      const hold = await other.acquire(lock, HELD);
      const waiting = [manager.acquire(lock, { waitMs: 12_000 }), manager.acquire(lock, { waitMs: 12_000 })];
      const outcomes = Promise.all(waiting.map(async (waiter) => (await waiter).release()));
      await delay(50);
      await faults.disconnect();
      await delay(300);
      await hold.release();
      await faults.reconnect();
      assert.deepEqual(await within('the waiters', outcomes, 12_000), [true, true]);
    },
    timeoutMs: 30_000,
  }),

  conformanceCase('unavailable/recovers', {
    title: 'the same manager works again when the store is back',
    faults: ['disconnect', 'reconnect'],
    options: { commandTimeoutMs: 300 },
    async run({ manager, peer, faults, name, lock }) {
      const other = await peer();
      for (let round = 0; round < 2; round++) {
        await faults.disconnect();
        await rejectsWith('LOCK_BACKEND_UNAVAILABLE', manager.tryAcquire(name()));
        await faults.reconnect();
        await worksAgain(manager, name);
      }
      // Hand-over between the two needs whatever carries the wakes, too.
      const hold = await other.acquire(lock, HELD);
      const waiting = manager.acquire(lock, { waitMs: 2 * SOON_MS });
      await delay(50);
      await hold.release();
      assert.equal(await (await waiting).release(), true);
    },
    timeoutMs: 30_000,
  }),

  conformanceCase('unavailable/all-or-nothing', {
    title: 'a batch and a group of which one answer is unknown hold nothing afterwards',
    faults: ['loseNextReply'],
    async run({ manager, peer, faults, name }) {
      const other = await peer();
      const names = [name('-a'), name('-b'), name('-c')];
      await isFree(manager, name());
      await faults.loseNextReply();
      const outcome = await manager.tryAcquireEach(names, HELD).catch((error: unknown) => error);
      if (outcome instanceof Map) assert.equal(await (outcome as Awaited<ReturnType<LockManager['tryAcquireEach']>>).releaseAll(), 3);
      else assert.ok(isLockError(outcome, 'LOCK_BACKEND_UNAVAILABLE'));
      for (const one of names) await isFree(other, one);
    },
  }),

  conformanceCase('unavailable/killed-session', {
    title: 'when the store ends the session no two believe in the lock, tokens rise, and the manager works again',
    faults: ['killSession'],
    async run({ manager, peer, faults, name }) {
      const other = await peer();
      const lease = await manager.acquire(name(), { ttlMs: 2_000, waitMs: SOON_MS });
      const renewing = lease.fencingToken;
      await faults.killSession();
      if (manager.capabilities.expiry === 'session') {
        await isLost(lease);
        const next = await other.acquire(lease.name, { waitMs: 3 * SOON_MS });
        if (renewing !== null && next.fencingToken !== null) assert.ok(next.fencingToken > renewing);
        await next.release();
      } else {
        // The hold is in the store, not in the connection: it is found again.
        await delay(2_500);
        assert.equal(lease.isHeld, true);
        assert.equal(await other.tryAcquire(lease.name), null);
        assert.equal(await lease.release(), true);
      }
      await worksAgain(manager, name);
    },
    timeoutMs: 30_000,
  }),
];

async function everyCallIsUnavailable(manager: LockManager, name: () => string): Promise<void> {
  const calls: Promise<unknown>[] = [
    manager.tryAcquire(name()),
    manager.tryWithLock(name(), () => assert.fail('a task ran without a store')),
    manager.acquire(name(), { waitMs: 100 }),
    manager.acquire(name(), { waitMs: 0 }),
    manager.withLock(name(), { waitMs: 100 }, () => assert.fail('a task ran without a store')),
    manager.acquireAll([name(), name()], { waitMs: 100 }),
    manager.tryAcquireEach([name(), name()]),
    manager.inspect(name()),
    manager.forceRelease(name()),
  ];
  if (manager.capabilities.semaphores) {
    const semaphore = manager.semaphore(name(), { permits: 2 });
    calls.push(
      semaphore.tryAcquire(),
      semaphore.tryWithPermits(() => assert.fail('a task ran without a store')),
      semaphore.inspect(),
    );
  }
  if (manager.capabilities.readWriteLocks) {
    const lock = manager.readWriteLock(name());
    calls.push(lock.read.tryAcquire(), lock.write.tryAcquire(), lock.inspect());
  }
  if (manager.marks !== null) calls.push(manager.marks.set(name(), { retentionMs: 1_000 }), manager.marks.has(name()));
  if (manager.capabilities.list) calls.push(manager.list({ prefix: name() })[Symbol.asyncIterator]().next());
  await Promise.all(calls.map((call) => rejectsWith('LOCK_BACKEND_UNAVAILABLE', call)));
  const health = await within('checkHealth', manager.checkHealth({ timeoutMs: 250 }));
  assert.equal(health.ok, false);
}
