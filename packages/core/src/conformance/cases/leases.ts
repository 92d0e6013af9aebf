import assert from 'node:assert/strict';
import { isLockError } from '../../index.js';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import {
  delay,
  eventually,
  granted,
  HELD,
  isBusy,
  isFree,
  isLost,
  rejectsWith,
  RUNS_OUT_MS,
  SHORT_TTL_MS,
  SOON_MS,
} from '../expectations.js';

/** What a lease says of itself, and what its methods do. */
export const leaseCases: readonly ConformanceCase[] = [
  conformanceCase('leases/fresh', {
    title: 'a fresh lease is held, has time left, and knows its name',
    async run({ manager, lock }) {
      const lease = await manager.acquire(lock, { ttlMs: 10_000 });
      assert.equal(lease.name, lock);
      assert.equal(lease.isHeld, true);
      const { remainingMs } = lease;
      assert.ok(Number.isInteger(remainingMs) && remainingMs > 0 && remainingMs <= 10_000, `remainingMs is ${remainingMs}`);
      assert.equal(lease.signal.aborted, false);
      lease.assertHeld();
      assert.equal(typeof lease.fencingToken, manager.capabilities.fencing ? 'bigint' : 'object');
      await lease.release();
    },
  }),

  conformanceCase('leases/released', {
    title: 'a released lease is not held and cannot be extended, and its signal stays silent',
    async run({ manager, name }) {
      const lease = await manager.acquire(name());
      assert.equal(await lease.release(), true);
      assert.equal(lease.isHeld, false);
      assert.equal(lease.remainingMs, 0);
      assert.throws(
        () => lease.assertHeld(),
        (error) => isLockError(error, 'LOCK_LOST') && error.reason === 'released',
      );
      assert.equal((await rejectsWith('LOCK_LOST', lease.extend())).reason, 'released');
      await delay(30);
      assert.equal(lease.signal.aborted, false, 'a release by its own holder aborted the signal');
    },
  }),

  conformanceCase('leases/release-idempotent', {
    title: 'every release answers what the first one answered',
    async run({ manager, peer, name }) {
      const lease = await manager.acquire(name());
      assert.deepEqual(await Promise.all([lease.release(), lease.release(), lease.release()]), [true, true, true]);
      assert.equal(await lease.release(), true);
      const forced = await manager.acquire(name());
      await (await peer()).forceRelease(forced.name);
      assert.deepEqual(await Promise.all([forced.release(), forced.release()]), [false, false]);
      assert.equal(await forced.release(), false);
      assert.equal(forced.isHeld, false);
    },
  }),

  conformanceCase('leases/released-at-once', {
    title: 'as soon as release is called the lease says that it is not held',
    async run({ manager, name }) {
      const lease = await manager.acquire(name());
      const released = lease.release();
      assert.equal(lease.isHeld, false);
      assert.throws(() => lease.assertHeld());
      assert.equal(await released, true);
    },
  }),

  conformanceCase('leases/per-hold', {
    title: 'two holds of one manager, one after the other, are two owners',
    async run({ manager, peer, lock }) {
      const other = await peer();
      const first = await manager.acquire(lock, HELD);
      await first.release();
      const second = await manager.acquire(lock, HELD);
      await first.release();
      await first[Symbol.asyncDispose]();
      await rejectsWith('LOCK_LOST', first.extend());
      await isBusy(other, lock);
      assert.equal(second.isHeld, true);
      assert.equal(await second.release(), true);
      await isFree(other, lock);
    },
  }),

  conformanceCase('leases/not-renewed', {
    title: 'the holder of a lease that is not renewed is notified at its deadline, neither much before nor after',
    async run({ manager, name }) {
      const before = performance.now();
      const lease = await manager.acquire(name(), { ttlMs: SHORT_TTL_MS, renew: false, waitMs: SOON_MS });
      const lost = await isLost(lease, SHORT_TTL_MS + 1_500);
      assert.ok(performance.now() - before >= SHORT_TTL_MS - 20, 'reported before its time');
      assert.equal(lost.reason, 'deadline');
      assert.equal(lost.lockName, lease.name);
      assert.equal(lost.fencingToken, lease.fencingToken);
      assert.throws(
        () => lease.assertHeld(),
        (error) => isLockError(error, 'LOCK_LOST'),
      );
      assert.equal(await lease.release(), false);
    },
  }),

  conformanceCase('leases/extend', {
    title: 'extend moves the deadline to now + ttl, also at the store',
    async run({ manager, peer, name }) {
      const other = await peer();
      const lease = await manager.acquire(name(), { ttlMs: 600, renew: false, waitMs: SOON_MS });
      await lease.extend(20_000);
      if (manager.capabilities.expiry === 'ttl') assert.ok(lease.remainingMs > 15_000, `remainingMs is ${lease.remainingMs}`);
      assert.ok(lease.remainingMs <= 20_000, `remainingMs is ${lease.remainingMs}`);
      // Past the first deadline and its guard.
      await delay(800);
      assert.equal(lease.isHeld, true, 'the old deadline ended an extended lease');
      await isBusy(other, lease.name);
      assert.equal(await lease.release(), true);
    },
  }),

  conformanceCase('leases/extend-default', {
    title: "extend without an argument uses the lease's own ttl",
    async run({ manager, name }) {
      const lease = await manager.acquire(name(), { ttlMs: 3_000, renew: false, waitMs: SOON_MS });
      await delay(100);
      await lease.extend();
      assert.ok(lease.remainingMs > 2_000 && lease.remainingMs <= 3_000, `remainingMs is ${lease.remainingMs}`);
      await lease.release();
    },
  }),

  conformanceCase('leases/extend-never-shortens', {
    title: 'an extension shorter than what remains changes nothing, here and at the store',
    async run({ manager, peer, name }) {
      const other = await peer();
      const lease = await manager.acquire(name(), { ttlMs: 10_000, renew: false });
      // Where a session ends the hold, that is shorter than the ttl.
      const before = lease.remainingMs;
      await lease.extend(50);
      assert.ok(lease.remainingMs > 0.4 * before, `remainingMs is ${lease.remainingMs}`);
      await delay(300);
      assert.equal(lease.isHeld, true);
      await isBusy(other, lease.name);
      const [holder] = (await other.inspect(lease.name)).holders;
      if (holder !== undefined && holder.remainingMs !== null) {
        assert.ok(holder.remainingMs > 4_000, `the store says that ${holder.remainingMs} ms remain`);
      }
      assert.equal(await lease.release(), true);
    },
  }),

  conformanceCase('leases/extend-outlives-renewals', {
    title: 'renewals after an extension do not pull its deadline back',
    async run({ manager, peer, name }) {
      const lease = await manager.acquire(name(), { ttlMs: 1_000, waitMs: SOON_MS });
      await lease.extend(20_000);
      // Time for two renewals at a third of the ttl.
      await delay(800);
      assert.equal(lease.isHeld, true);
      if (manager.capabilities.expiry === 'ttl') {
        assert.ok(lease.remainingMs > 10_000, `remainingMs is ${lease.remainingMs}`);
        const [holder] = (await (await peer()).inspect(lease.name)).holders;
        const remainingMs = holder?.remainingMs ?? null;
        assert.ok(remainingMs === null || remainingMs > 10_000, `the store says that ${remainingMs} ms remain`);
      }
      assert.equal(await lease.release(), true);
    },
  }),

  conformanceCase('leases/await-using', {
    title: 'asyncDispose frees the lock, any number of times, and never rejects',
    async run({ manager, peer, name }) {
      const other = await peer();
      const lease = await manager.acquire(name(), HELD);
      assert.equal(await lease[Symbol.asyncDispose](), undefined);
      await lease[Symbol.asyncDispose]();
      await granted(await other.tryAcquire(lease.name)).release();
      const forced = await manager.acquire(name());
      await other.forceRelease(forced.name);
      await forced[Symbol.asyncDispose]();
    },
  }),

  conformanceCase('leases/json', {
    title: 'leases and errors can be turned into JSON, with the token in decimal and without the owner token',
    async run({ manager, peer, name }) {
      const lease = await manager.acquire(name(), HELD);
      const group = await manager.acquireAll([name('-a'), name('-b')]);
      const json = JSON.stringify(lease);
      assert.ok(json.includes(lease.name), json);
      if (lease.fencingToken !== null) assert.ok(json.includes(`"${lease.fencingToken}"`), json);
      const timeout = await rejectsWith('LOCK_TIMEOUT', (await peer()).acquire(lease.name, { waitMs: RUNS_OUT_MS }));
      for (const text of [json, JSON.stringify(group), JSON.stringify(timeout), JSON.stringify(await manager.inspect(lease.name))]) {
        // An owner token, however it is written.
        assert.doesNotMatch(text, /[0-9a-f]{32}/i);
      }
      await Promise.all([lease.release(), group.release()]);
    },
  }),

  conformanceCase('leases/many-through-one-object', {
    title: 'many tasks through one object are many holders, not one',
    needs: ['semaphores'],
    async run({ manager, name }) {
      const semaphore = manager.semaphore(name(), { permits: 2 });
      let inside = 0;
      let most = 0;
      const task = async (): Promise<void> => {
        inside += 1;
        most = Math.max(most, inside);
        // The first stays until there is a second, and each for long enough that a third would be seen.
        await Promise.all([delay(25), eventually('two are inside at once', () => most >= 2)]);
        inside -= 1;
      };
      await Promise.all(Array.from({ length: 10 }, () => semaphore.withPermits({ waitMs: 10_000 }, task)));
      assert.equal(most, 2);
    },
  }),
];
