import assert from 'node:assert/strict';
import { isLockError } from '../../index.js';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import {
  eventually,
  granted,
  HELD,
  isBusy,
  isFree,
  LONG_TTL_MS,
  rejectsWith,
  rejectsWithReason,
  RUNS_OUT_MS,
  SHORT_TTL_MS,
  SOON_MS,
  within,
} from '../expectations.js';

/** Busy, timed out, aborted, unavailable and lost are never taken for one another. */
export const outcomeCases: readonly ConformanceCase[] = [
  conformanceCase('outcomes/five', {
    title: 'busy, timeout, aborted, lost and granted are distinguished on one name',
    async run({ manager, peer, lock }) {
      const other = await peer();
      const hold = await other.acquire(lock, HELD);
      assert.equal(await manager.tryAcquire(lock), null);
      await rejectsWith('LOCK_TIMEOUT', manager.acquire(lock, { waitMs: RUNS_OUT_MS }));
      await rejectsWithReason('gone', manager.acquire(lock, { signal: AbortSignal.abort('gone') }));
      assert.equal(await manager.forceRelease(lock), true);
      const taken = granted(await manager.tryAcquire(lock));
      await rejectsWith('LOCK_LOST', hold.extend());
      assert.equal(taken.isHeld, true);
      await taken.release();
    },
  }),

  conformanceCase('outcomes/timeout-says-who', {
    title: 'a timeout says for what, how long, and who had it as far as is known',
    async run({ manager, peer, lock }) {
      const other = await peer({ label: 'the other side' });
      const hold = await other.acquire(lock, HELD);
      const error = await rejectsWith('LOCK_TIMEOUT', manager.acquire(lock, { waitMs: RUNS_OUT_MS }));
      assert.equal(error.lockName, lock);
      assert.equal(error.backend, manager.backend);
      assert.ok(error.waitedMs >= RUNS_OUT_MS - 5 && error.waitedMs < SOON_MS, `waitedMs is ${error.waitedMs}`);
      for (const { label } of error.holders) assert.ok(label === null || label === 'the other side', `the holder is reported as ${label}`);
      for (const json of [JSON.stringify(error), JSON.stringify(error.holders)]) assert.equal(typeof json, 'string');
      await hold.release();
    },
  }),

  conformanceCase('outcomes/wait-options', {
    title: "the manager's own waitMs and ttlMs are the defaults of its calls, and a call's win",
    options: { waitMs: RUNS_OUT_MS, ttlMs: 5_000 },
    async run({ manager, peer, lock }) {
      const mine = await manager.acquire(lock);
      assert.ok(mine.remainingMs <= 5_000 && mine.remainingMs > 1_000, `remainingMs is ${mine.remainingMs}`);
      await rejectsWith('LOCK_TIMEOUT', manager.acquire(lock));
      await mine.release();
      const longer = await manager.acquire(lock, { ttlMs: LONG_TTL_MS, waitMs: undefined, renew: undefined });
      // A session is believed in for as long as the harness made it, whatever the ttl.
      const least = manager.capabilities.expiry === 'ttl' ? 10_000 : 1_000;
      // What was granted for a while has the ttl as soon as the store has confirmed it.
      await eventually('the lease lasts as long as its own ttl says', () => longer.remainingMs > least);
      await longer.release();
      await isFree(await peer(), lock);
    },
  }),

  conformanceCase('outcomes/infinite-wait', {
    title: 'without a waitMs a wait has no end of its own',
    async run({ manager, peer, lock }) {
      const hold = await (await peer()).acquire(lock, HELD);
      const waiting = manager.acquire(lock, { waitMs: Number.POSITIVE_INFINITY });
      setTimeout(() => void hold.release(), 200);
      assert.equal(await (await within('the waiter', waiting)).release(), true);
    },
  }),

  conformanceCase('outcomes/wait-and-expiry', {
    title: 'a wait longer than the rest of a dead hold succeeds, a shorter one is a timeout',
    async run({ manager, peer, lock }) {
      const other = await peer();
      const asked = performance.now();
      const dead = await other.acquire(lock, { ttlMs: SHORT_TTL_MS, renew: false, waitMs: SOON_MS });
      const short = manager.acquire(lock, { waitMs: 200 }).then(async (lease) => {
        // A correct answer only on a machine so busy that the hold was over before the wait.
        const afterMs = performance.now() - asked;
        assert.ok(afterMs >= SHORT_TTL_MS, `granted ${afterMs} ms after a hold of ${SHORT_TTL_MS} ms was asked for`);
        await lease.release();
      });
      const long = manager.acquire(lock, { waitMs: SHORT_TTL_MS + SOON_MS });
      const [first, second] = await Promise.allSettled([short, long]);
      if (first.status === 'rejected' && !isLockError(first.reason, 'LOCK_TIMEOUT')) throw first.reason;
      assert.equal(second.status, 'fulfilled');
      assert.equal(dead.isHeld, false);
      if (second.status === 'fulfilled') await second.value.release();
    },
  }),

  conformanceCase('outcomes/many-names', {
    title: 'names do not get into each other: one held name leaves a hundred others free',
    async run({ manager, peer, name }) {
      const base = name();
      const other = await peer();
      const hold = await manager.acquire(`${base}/0`, HELD);
      const leases = await Promise.all(Array.from({ length: 100 }, (_, i) => other.tryAcquire(`${base}/${i + 1}`)));
      assert.ok(leases.every((lease) => lease !== null));
      await isBusy(other, `${base}/0`);
      assert.deepEqual(
        await Promise.all(leases.map((lease) => lease?.release())),
        leases.map(() => true),
      );
      assert.equal(await hold.release(), true);
    },
  }),
];
