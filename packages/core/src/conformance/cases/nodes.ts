import assert from 'node:assert/strict';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { delay, isBusy, isFree, isSeenWaiting, LONG_TTL_MS, SOON_MS, within } from '../expectations.js';

/** A store of several servers does without one of them, however that has stopped. */
export const nodeCases: readonly ConformanceCase[] = (['silent', 'refused'] as const).flatMap((how) => [
  conformanceCase(`nodes/one-${how}`, {
    title: `with one server of several stopped (${how}) everything goes on, and again when it is back`,
    faults: ['stopNode', 'startNode'],
    timeoutMs: 40_000,
    async run({ manager, peer, faults, name, lock }) {
      const other = await peer();
      const [kept, passed] = [name(), name()];
      const before = await manager.acquire(kept, { ttlMs: 900, waitMs: SOON_MS });
      const hold = await other.acquire(passed, { ttlMs: LONG_TTL_MS, waitMs: SOON_MS });
      const waiting = manager.acquire(passed, { ttlMs: LONG_TTL_MS, waitMs: 3 * SOON_MS });
      // A failed attempt of the one that waits may have cost a hold a vote: an extension puts it back. A failure of the case shows here.
      waiting.catch(() => {});
      await isSeenWaiting(other, passed);
      await hold.extend();
      await faults.stopNode(how);
      assert.equal(await hold.release(), true, 'a release failed because one server was missing');
      const next = await within('the waiter', waiting, 3 * SOON_MS);
      const during = await manager.acquire(name(), { ttlMs: LONG_TTL_MS, waitMs: SOON_MS });
      if (next.fencingToken !== null && hold.fencingToken !== null) assert.ok(next.fencingToken > hold.fencingToken);
      await delay(1_200);
      assert.equal(before.isHeld, true, 'renewals failed because one server was missing');
      for (const lease of [before, next, during]) await isBusy(other, lease.name);
      if (manager.capabilities.semaphores) {
        const permits = await manager.semaphore(name(), { permits: 3 }).acquire({ permits: 2, waitMs: SOON_MS });
        assert.equal(await other.semaphore(permits.name, { permits: 3 }).tryAcquire({ permits: 2 }), null);
        assert.equal(await permits.release(), true);
      }
      if (manager.capabilities.readWriteLocks) {
        const reader = await manager.readWriteLock(lock).read.acquire({ waitMs: SOON_MS });
        assert.equal(await other.readWriteLock(lock).write.tryAcquire(), null);
        assert.equal(await reader.release(), true);
      }
      assert.equal((await manager.inspect(kept)).held, true);
      await faults.startNode();
      for (const lease of [before, next, during]) {
        assert.equal(await lease.release(), true);
        await isFree(other, lease.name, 2 * SOON_MS);
      }
      const after = await other.acquire(passed, { waitMs: SOON_MS });
      if (after.fencingToken !== null && next.fencingToken !== null) assert.ok(after.fencingToken > next.fencingToken);
      await after.release();
    },
  }),
]);
