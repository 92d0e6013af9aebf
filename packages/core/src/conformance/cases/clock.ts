import assert from 'node:assert/strict';
import { type Clock, systemClock } from '../../index.js';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { delay, eventually, isBusy, isFree, isLost, LONG_TTL_MS, SHORT_TTL_MS, SOON_MS } from '../expectations.js';

const HOUR_MS = 3_600_000;
/** So long that no busy machine keeps a renewal from its time, and over before the case is. */
const RENEWED_MS = 1_500;

/** A client whose wall clock is wrong, or is set while it holds something. */
export const clockCases: readonly ConformanceCase[] = [
  ...(['ahead', 'behind'] as const).map((direction) =>
    conformanceCase(`clock/${direction}`, {
      title: `a client whose wall clock is an hour ${direction} takes, keeps, waits and is waited for like any other`,
      async run({ manager, peer, name }) {
        const wrong = await peer({ clock: wallClock(() => (direction === 'ahead' ? HOUR_MS : -HOUR_MS)) });
        const [kept, passed] = [name(), name()];
        const lease = await wrong.acquire(kept, { ttlMs: RENEWED_MS, waitMs: SOON_MS });
        const hold = await manager.acquire(passed, { ttlMs: LONG_TTL_MS, waitMs: SOON_MS });
        const theirs = wrong.acquire(passed, { ttlMs: LONG_TTL_MS, waitMs: 2 * SOON_MS });
        await delay(50);
        await hold.release();
        const handed = await theirs;
        const back = manager.acquire(passed, { ttlMs: LONG_TTL_MS, waitMs: 2 * SOON_MS });
        await delay(RENEWED_MS + 500);
        assert.equal(lease.isHeld, true, 'a lease was not renewed, or was believed to be over');
        await isBusy(manager, kept);
        assert.equal(await handed.release(), true);
        assert.deepEqual(await Promise.all([(await back).release(), lease.release()]), [true, true]);
        await isFree(manager, kept);
        if (wrong.marks !== null) {
          assert.equal(await wrong.marks.set(kept, { retentionMs: LONG_TTL_MS }), true);
          assert.equal(await manager.marks?.has(kept), true, 'a mark went, or never stood, by the clock of who set it');
        }
      },
    }),
  ),

  conformanceCase('clock/set-back', {
    title: 'a wall clock that is set back makes no lease longer',
    async run({ manager, peer, name }) {
      let offMs = 0;
      const wrong = await peer({ clock: wallClock(() => offMs) });
      const lease = await wrong.acquire(name(), { ttlMs: SHORT_TTL_MS, renew: false, waitMs: SOON_MS });
      offMs = -HOUR_MS;
      const next = await manager.acquire(lease.name, { waitMs: SHORT_TTL_MS + SOON_MS });
      assert.equal(lease.isHeld, false, 'two believe in the lock');
      assert.equal((await isLost(lease)).reason, 'deadline');
      assert.equal(await next.release(), true);
    },
  }),

  conformanceCase('clock/set-forward', {
    title: 'a holder whose wall clock is beyond its deadline, as after a sleep of its machine, does not believe in its lease',
    async run({ manager, peer, name }) {
      let offMs = 0;
      const wrong = await peer({ clock: wallClock(() => offMs) });
      const lease = await wrong.acquire(name(), { ttlMs: 3_000, waitMs: SOON_MS });
      offMs = HOUR_MS;
      assert.equal(lease.isHeld, false);
      assert.throws(() => lease.assertHeld());
      await isLost(lease, 3_000 + SOON_MS);
      await eventually('the lock is free', async () => !(await manager.inspect(lease.name)).held, 3_000 + SOON_MS);
    },
  }),
];

/** The machine's clock, but for its wall. */
function wallClock(offMs: () => number): Clock {
  return { ...systemClock, wall: () => systemClock.wall() + offMs() };
}
