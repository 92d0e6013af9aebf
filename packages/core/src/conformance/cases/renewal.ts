import assert from 'node:assert/strict';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { delay, eventually, granted, HELD, isBusy, isFree, isLost, SHORT_TTL_MS, SOON_MS } from '../expectations.js';

/** Renewal keeps a hold as long as it is wanted and no longer, whatever becomes of one message. */
export const renewalCases: readonly ConformanceCase[] = [
  conformanceCase('renewal/mixed', {
    title: 'leases of a long and a short ttl are each kept',
    async run({ manager, peer, name }) {
      const other = await peer();
      const long = await manager.acquire(name(), HELD);
      const short = await manager.acquire(name(), { ttlMs: 1_500, waitMs: SOON_MS });
      await delay(1_900);
      for (const lease of [long, short]) {
        assert.equal(lease.isHeld, true);
        await isBusy(other, lease.name);
        assert.equal(await lease.release(), true);
      }
    },
  }),

  conformanceCase('renewal/stops-with-release', {
    title: 'renewal stops with the release: the next holder of the name expires in its own time',
    async run({ manager, peer, lock }) {
      const other = await peer();
      const first = await manager.acquire(lock, { ttlMs: SHORT_TTL_MS, waitMs: SOON_MS });
      await first.release();
      const second = await manager.acquire(lock, { ttlMs: SHORT_TTL_MS, renew: false, waitMs: SOON_MS });
      const third = await other.acquire(lock, { waitMs: SHORT_TTL_MS + SOON_MS });
      assert.equal(second.isHeld, false);
      await third.release();
    },
  }),

  conformanceCase('renewal/no-requests-after-release', {
    title: 'nothing is sent for a lease after its release',
    faults: ['requests'],
    async run({ manager, faults, name }) {
      const lease = await manager.acquire(name(), { ttlMs: SHORT_TTL_MS, waitMs: SOON_MS });
      await lease.release();
      await delay(100);
      const before = await faults.requests();
      await delay(SHORT_TTL_MS);
      // A connection may be kept alive, but not a lease that was let go.
      assert.ok((await faults.requests()) - before <= 1);
    },
  }),

  conformanceCase('renewal/verified', {
    title: 'a lease that is not renewed notices a forced release before its deadline',
    async run({ manager, peer, name }) {
      const lease = await manager.acquire(name(), { ttlMs: 2_400, renew: false, waitMs: SOON_MS });
      assert.equal(await (await peer()).forceRelease(lease.name), true);
      const lost = await isLost(lease, 1_800);
      assert.notEqual(lost.reason, 'deadline');
      assert.equal(await lease.release(), false);
    },
  }),

  conformanceCase('renewal/max-hold', {
    title: 'renewal ends at maxHoldMs and the lease is lost, with that reason',
    async run({ manager, peer, name }) {
      const other = await peer();
      const lease = await manager.acquire(name(), { ttlMs: 1_200, maxHoldMs: 300, waitMs: SOON_MS });
      const lost = await isLost(lease, 1_100);
      assert.equal(lost.reason, 'max-hold');
      await isFree(other, lease.name, 1_200 + SOON_MS);
    },
  }),

  conformanceCase('renewal/survives-one-failure', {
    title: 'a renewal that fails is repeated: the lease survives, and the failure is reported',
    faults: ['disconnect', 'reconnect'],
    async run({ manager, peer, faults, name }) {
      const other = await peer();
      const lease = await manager.acquire(name(), { ttlMs: 3_000, waitMs: SOON_MS });
      await faults.disconnect();
      // Longer than a third, so that a renewal was due, and far from the deadline.
      await delay(1_200);
      assert.equal(lease.isHeld, true, 'one failed renewal lost the lease');
      await faults.reconnect();
      await eventually('the lease was renewed after the failure', () => lease.remainingMs > 2_000);
      assert.equal(lease.isHeld, true);
      await isBusy(other, lease.name);
      assert.equal(await lease.release(), true);
    },
  }),

  conformanceCase('renewal/lost-reply', {
    title: 'a renewal whose reply is lost does not lose the lease',
    faults: ['loseNextReply'],
    async run({ manager, peer, faults, name }) {
      const lease = await manager.acquire(name(), { ttlMs: 1_500, waitMs: SOON_MS });
      await faults.loseNextReply();
      await delay(1_900);
      assert.equal(lease.isHeld, true);
      await isBusy(await peer(), lease.name);
      assert.equal(await lease.release(), true);
    },
  }),

  conformanceCase('renewal/not-hot', {
    title: 'short leases are renewed at a third of their ttl, not in a hot loop',
    faults: ['requests'],
    async run({ manager, faults, name }) {
      const lease = await manager.acquire(name(), { ttlMs: 900, waitMs: SOON_MS });
      const before = await faults.requests();
      await delay(700);
      const sent = (await faults.requests()) - before;
      assert.ok(sent <= 14, `${sent} requests in 0.7 s for one lease of 900 ms`);
      assert.ok(sent >= 1, 'a lease was not renewed at all');
      assert.equal(await lease.release(), true);
    },
  }),

  conformanceCase('renewal/batches', {
    title: 'many leases are renewed in few requests',
    faults: ['requests'],
    async run({ manager, faults, name }) {
      const base = name();
      const leases = await manager.tryAcquireEach(
        Array.from({ length: 200 }, (_, i) => `${base}/${i}`),
        { ttlMs: 1_200 },
      );
      assert.equal(leases.size, 200);
      const before = await faults.requests();
      await delay(700);
      const sent = (await faults.requests()) - before;
      assert.ok(sent <= 60, `${sent} requests for 200 leases that were due once or twice`);
      for (const lease of leases.values()) assert.equal(lease.isHeld, true);
      assert.equal(await leases.releaseAll(), 200);
    },
  }),

  conformanceCase('renewal/in-a-batch-each-for-itself', {
    title: 'one lease that is lost does not take the others of its batch with it',
    async run({ manager, peer, name }) {
      const base = name();
      const other = await peer();
      const leases = await manager.tryAcquireEach(
        Array.from({ length: 9 }, (_, i) => `${base}/${i}`),
        { ttlMs: 1_200 },
      );
      const forced = granted(leases.get(`${base}/4`));
      await other.forceRelease(forced.name);
      await isLost(forced, 1_100);
      await delay(150);
      for (const lease of leases.values()) assert.equal(lease.isHeld, lease !== forced, lease.name);
      assert.equal(await leases.releaseAll(), 8);
    },
  }),
];
