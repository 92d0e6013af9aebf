import assert from 'node:assert/strict';
import { isLockError, type LockManager } from '../../index.js';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import {
  delay,
  granted,
  HELD,
  isBusy,
  isFree,
  isLost,
  LONG_TTL_MS,
  Occupancy,
  rejectsWith,
  rejectsWithReason,
  RUNS_OUT_MS,
  SOON_MS,
} from '../expectations.js';

/** Several names in one call: all or none, or each that is free. */
export const manyCases: readonly ConformanceCase[] = [
  conformanceCase('many/group', {
    title: 'a group takes its names in code-unit order, without duplicates, and frees them all',
    async run({ manager, peer, name }) {
      const other = await peer();
      const base = name();
      // By code unit, not by locale: upper case before lower case, and both before an umlaut.
      const sorted = [`${base}-B`, `${base}-a`, `${base}-b`, `${base}-ä`] as const;
      const group = await manager.acquireAll([sorted[3], sorted[1], sorted[0], sorted[1], sorted[2], sorted[3]], HELD);
      assert.deepEqual([...group.names], [...sorted]);
      assert.deepEqual(
        [...group].map((lease) => lease.name),
        [...sorted],
      );
      assert.equal(group.isHeld, true);
      assert.ok(group.remainingMs > 0 && group.remainingMs <= LONG_TTL_MS);
      group.assertHeld();
      for (const one of sorted) {
        assert.equal(group.get(one).name, one);
        await isBusy(other, one);
      }
      assert.throws(
        () => (group as { get(name: string): unknown }).get(`${base}-other`),
        (error) => isLockError(error, 'LOCK_INVALID_ARGUMENT'),
      );
      await group.extend(LONG_TTL_MS);
      assert.equal(await group.release(), true);
      assert.equal(await group.release(), true);
      assert.equal(group.isHeld, false);
      assert.equal(group.signal.aborted, false);
      for (const one of sorted) await granted(await other.tryAcquire(one)).release();
    },
  }),

  conformanceCase('many/set-of-names', {
    title: 'a set of names will do',
    async run({ manager, name }) {
      const names = new Set([name(), name()]);
      const group = await manager.acquireAll(names);
      assert.equal(group.names.length, 2);
      await group.release();
      const map = await manager.tryAcquireEach(names);
      assert.equal(map.size, 2);
      assert.equal(await map.releaseAll(), 2);
    },
  }),

  conformanceCase('many/opposite-orders', {
    title: 'groups that are asked for in opposite orders never deadlock',
    async run({ manager, peer, name }) {
      const names = [name('-a'), name('-b'), name('-c')];
      const reversed = [...names].reverse();
      const other = await peer();
      const inside = new Occupancy();
      const rounds = async (one: LockManager, order: readonly string[]): Promise<void> => {
        for (let round = 0; round < 8; round++) {
          await one.withAll(order, { waitMs: 2 * SOON_MS, ttlMs: LONG_TTL_MS }, () => inside.during(1, () => delay(0)));
        }
      };
      await Promise.all([rounds(manager, names), rounds(other, reversed), rounds(manager, reversed), rounds(other, names)]);
      assert.equal(inside.most, 1);
    },
  }),

  conformanceCase('many/rolls-back', {
    title: 'a group that cannot be had in time keeps none of its names',
    async run({ manager, peer, name }) {
      const other = await peer();
      const base = name();
      const names = [`${base}-a`, `${base}-b`, `${base}-c`] as const;
      const hold = await other.acquire(names[1], HELD);
      await rejectsWith('LOCK_TIMEOUT', manager.acquireAll(names, { waitMs: RUNS_OUT_MS, ttlMs: LONG_TTL_MS }));
      await rejectsWith('LOCK_TIMEOUT', manager.acquireAll(names, { waitMs: 0, ttlMs: LONG_TTL_MS }));
      for (const one of [names[0], names[2]]) await isFree(other, one);
      const controller = new AbortController();
      const waiting = manager.acquireAll(names, { signal: controller.signal, ttlMs: LONG_TTL_MS });
      setTimeout(() => controller.abort('left'), 30);
      await rejectsWithReason('left', waiting);
      for (const one of [names[0], names[2]]) await isFree(other, one);
      assert.equal(await hold.release(), true);
    },
  }),

  conformanceCase('many/one-budget', {
    title: 'waitMs is the time for all names together, not for each',
    async run({ manager, peer, name }) {
      const other = await peer();
      const names = [name('-a'), name('-b')].sort() as [string, string];
      const first = await other.acquire(names[0], HELD);
      const second = await other.acquire(names[1], HELD);
      const start = performance.now();
      const waiting = rejectsWith('LOCK_TIMEOUT', manager.acquireAll(names, { waitMs: 2_000, ttlMs: LONG_TTL_MS }));
      await delay(1_500);
      await first.release();
      await waiting;
      // With a budget for each it is 3,500 ms.
      assert.ok(performance.now() - start < 3_300, 'each name had a time budget of its own');
      await second.release();
    },
  }),

  conformanceCase('many/one-lost', {
    title: 'a group is lost when one of its names is',
    async run({ manager, peer, name }) {
      const other = await peer();
      const names = [name('-a'), name('-b'), name('-c')] as const;
      const group = await manager.acquireAll(names, { ttlMs: 1_200, waitMs: SOON_MS });
      await other.forceRelease(names[1]);
      const lost = await isLost(group, 1_150);
      assert.equal(lost.lockName, names[1]);
      assert.throws(
        () => group.assertHeld(),
        (error) => isLockError(error, 'LOCK_LOST'),
      );
      await rejectsWith('LOCK_LOST', group.extend());
      await group.release();
      for (const one of names) await isFree(other, one);
    },
  }),

  conformanceCase('many/with-all', {
    title: 'withAll runs its task under all of them and frees them, also when the task fails',
    async run({ manager, peer, name }) {
      const other = await peer();
      const names = [name('-a'), name('-b')] as const;
      const value = await manager.withAll(names, async (group) => {
        for (const one of names) await isBusy(other, one);
        return group.names.length;
      });
      assert.equal(value, 2);
      const failure = new Error('the task failed');
      await rejectsWithReason(
        failure,
        manager.withAll(names, HELD, () => Promise.reject(failure)),
      );
      for (const one of names) await granted(await other.tryAcquire(one)).release();
    },
  }),

  conformanceCase('many/each', {
    title: 'tryAcquireEach takes what is free; what is absent is busy',
    async run({ manager, peer, name }) {
      const other = await peer();
      const base = name();
      const names = Array.from({ length: 30 }, (_, i) => `${base}/${i}`);
      const theirs = await other.tryAcquireEach(names.slice(10, 20), HELD);
      assert.equal(theirs.size, 10);
      const mine = await manager.tryAcquireEach([...names, ...names], HELD);
      assert.deepEqual([...mine.keys()].sort(), names.filter((one) => !theirs.has(one)).sort());
      for (const [key, lease] of mine) {
        assert.equal(lease.name, key);
        assert.equal(lease.isHeld, true);
        await isBusy(other, key);
      }
      assert.equal(await mine.releaseAll(), 20);
      const rest = await other.tryAcquireEach(names, HELD);
      assert.equal(rest.size, 20, 'releaseAll did not free all, or freed those of somebody else');
      assert.equal(await rest.releaseAll(), 20);
      assert.equal(await theirs.releaseAll(), 10);
    },
  }),

  conformanceCase('many/map', {
    title: 'a lease map frees what is still in it, counts what this call freed, and can be disposed of',
    async run({ manager, peer, name }) {
      const other = await peer();
      const names = [name('-a'), name('-b'), name('-c')] as const;
      const map = await manager.tryAcquireEach(names, HELD);
      const kept = granted(map.get(names[0]));
      map.delete(names[0]);
      assert.equal(await granted(map.get(names[1])).release(), true);
      assert.equal(await map.releaseAll(), 1);
      await isBusy(other, names[0]);
      assert.equal(await kept.release(), true);
      const again = await manager.tryAcquireEach(names, HELD);
      assert.equal(again.size, 3);
      await again[Symbol.asyncDispose]();
      for (const one of names) await granted(await other.tryAcquire(one)).release();
    },
  }),
];
