import assert from 'node:assert/strict';
import type { LockManager, PermitLease } from '../../index.js';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { delay, eventually, granted, HELD, isLost, Occupancy, rejectsWith, SHORT_TTL_MS, SOON_MS, within } from '../expectations.js';

const LARGEST = 2 ** 31 - 1;

/** A semaphore's limit is reached, and never exceeded. */
export const semaphoreCases: readonly ConformanceCase[] = [
  semaphoreCase('limit', 'as many as the limit get in, the next is busy, and each release lets one in', async ({ manager, peer, name }) => {
    const [mine, theirs] = [manager.semaphore(name, { permits: 3 }), peer.semaphore(name, { permits: 3 })];
    assert.equal(mine.name, name);
    assert.equal(mine.permits, 3);
    const first = granted(await mine.tryAcquire(HELD));
    const second = granted(await theirs.tryAcquire(HELD));
    const third = granted(await mine.tryAcquire(HELD), 'the limit was not reached');
    assert.equal(await theirs.tryAcquire(), null, 'the limit was exceeded');
    assert.equal(await mine.tryAcquire(), null, 'the limit was exceeded');
    assert.equal(await second.release(), true);
    const fourth = granted(await mine.tryAcquire(HELD));
    assert.equal(await theirs.tryAcquire(), null);
    for (const lease of [first, third, fourth]) assert.equal(await lease.release(), true);
    assert.equal((await mine.inspect()).held, false);
  }),

  semaphoreCase('weighted', 'permits are counted, not holders', async ({ manager, peer, name }) => {
    const [mine, theirs] = [manager.semaphore(name, { permits: 5 }), peer.semaphore(name, { permits: 5 })];
    const three = granted(await mine.tryAcquire({ ...HELD, permits: 3 }));
    assert.equal(three.permits, 3);
    assert.equal(await theirs.tryAcquire({ permits: 3 }), null);
    const two = granted(await theirs.tryAcquire({ ...HELD, permits: 2 }));
    assert.equal(await mine.tryAcquire(), null);
    assert.equal(await three.release(), true);
    assert.equal(await mine.tryAcquire({ permits: 4 }), null);
    const all = granted(await mine.tryAcquire({ ...HELD, permits: 3 }), 'a release did not free all of its permits');
    assert.deepEqual(await Promise.all([all.release(), two.release()]), [true, true]);
    await granted(await mine.tryAcquire({ permits: 5 })).release();
  }),

  semaphoreCase('all-or-none', 'a request that does not fit takes nothing', async ({ manager, peer, name }) => {
    const [mine, theirs] = [manager.semaphore(name, { permits: 4 }), peer.semaphore(name, { permits: 4 })];
    const two = granted(await mine.tryAcquire({ ...HELD, permits: 2 }));
    for (let i = 0; i < 5; i++) assert.equal(await theirs.tryAcquire({ permits: 3 }), null);
    const rest = granted(await theirs.tryAcquire({ ...HELD, permits: 2 }), 'a refused request kept permits');
    assert.deepEqual(await Promise.all([two.release(), rest.release()]), [true, true]);
  }),

  semaphoreCase('load', 'the limit is never exceeded under load, with mixed weights', async ({ manager, peer, third, name }) => {
    const inside = new Occupancy();
    const semaphores = [manager, peer, third].map((one) => one.semaphore(name, { permits: 3 }));
    await Promise.all(
      semaphores.flatMap((semaphore) =>
        [1, 2, 1, 3].map(async (permits) => {
          for (let round = 0; round < 3; round++) {
            await semaphore.withPermits({ ...HELD, permits, waitMs: 3 * SOON_MS }, () => inside.during(permits, () => delay(1)));
          }
        }),
      ),
    );
    assert.ok(inside.most <= 3, `${inside.most} permits of 3 were out at once`);
    assert.equal(inside.most, 3, 'the limit was never reached');
  }),

  semaphoreCase(
    'largest',
    'the most permits that one request may take are taken and freed in time, and others are not disturbed',
    async (world) => {
      const { manager, peer, name } = world;
      const most = manager.capabilities.maxPermits ?? LARGEST;
      const other = granted(await peer.semaphore(`${name}-other`, { permits: LARGEST }).tryAcquire(HELD));
      const [mine, theirs] = [manager.semaphore(name, { permits: LARGEST }), peer.semaphore(name, { permits: LARGEST })];
      const all = granted(await mine.tryAcquire({ ...HELD, permits: most }));
      if (most === LARGEST) assert.equal(await theirs.tryAcquire(), null, 'the limit was exceeded');
      else {
        await rejectsWith('LOCK_INVALID_ARGUMENT', mine.tryAcquire({ permits: most + 1 }));
        await rejectsWith('LOCK_INVALID_ARGUMENT', mine.tryAcquire({ permits: LARGEST }));
        await granted(await theirs.tryAcquire({ permits: most })).release();
      }
      assert.deepEqual(await Promise.all([all.release(), other.release()]), [true, true]);
      await granted(await theirs.tryAcquire()).release();
    },
  ),

  semaphoreCase('double-release', 'a second release frees no permit of anybody else', async ({ manager, peer, name }) => {
    const semaphore = manager.semaphore(name, { permits: 2 });
    const first = granted(await semaphore.tryAcquire(HELD));
    const second = granted(await semaphore.tryAcquire(HELD));
    assert.deepEqual(await Promise.all([first.release(), first.release()]), [true, true]);
    await first.release();
    const third = granted(await semaphore.tryAcquire(HELD));
    assert.equal(await peer.semaphore(name, { permits: 2 }).tryAcquire(), null, 'a double release made a permit out of nothing');
    assert.deepEqual(await Promise.all([second.release(), third.release()]), [true, true]);
  }),

  semaphoreCase('stale-release', 'a release after a forced one frees no permit of anybody else', async ({ manager, peer, name }) => {
    const [mine, theirs] = [manager.semaphore(name, { permits: 2 }), peer.semaphore(name, { permits: 2 })];
    const stale = granted(await mine.tryAcquire(HELD));
    assert.equal(await theirs.forceRelease(), true);
    const next = [granted(await mine.tryAcquire(HELD)), granted(await theirs.tryAcquire(HELD))];
    assert.equal(await stale.release(), false);
    assert.equal(await theirs.tryAcquire(), null, 'a stale release freed a permit of somebody else');
    assert.deepEqual(await Promise.all(next.map((lease) => lease.release())), [true, true]);
  }),

  semaphoreCase('one-of-two', 'releasing one of two holds leaves the other', async ({ manager, peer, name }) => {
    const [mine, theirs] = [manager.semaphore(name, { permits: 2 }), peer.semaphore(name, { permits: 2 })];
    const first = granted(await mine.tryAcquire(HELD));
    const second = granted(await mine.tryAcquire(HELD));
    assert.equal(await first.release(), true);
    const third = granted(await theirs.tryAcquire(HELD));
    assert.equal(await theirs.tryAcquire(), null, 'the release of one hold freed another');
    assert.deepEqual(await Promise.all([second.release(), third.release()]), [true, true]);
  }),

  semaphoreCase('expiry', 'an expired hold gives back its permits, all of them and only its own', async ({ manager, peer, name }) => {
    const [mine, theirs] = [manager.semaphore(name, { permits: 4 }), peer.semaphore(name, { permits: 4 })];
    const long = granted(await mine.tryAcquire(HELD));
    const short = await theirs.acquire({ permits: 3, ttlMs: SHORT_TTL_MS, renew: false, waitMs: SOON_MS });
    assert.equal(await mine.tryAcquire(), null);
    const next = await mine.acquire({ ...HELD, permits: 3, waitMs: SHORT_TTL_MS + SOON_MS });
    assert.equal(short.isHeld, false, 'more permits were out than there are');
    assert.equal(await theirs.tryAcquire(), null, "the expiry of one hold took another's permit");
    assert.equal((await isLost(short)).reason, 'deadline');
    assert.deepEqual(await Promise.all([short.release(), next.release(), long.release()]), [false, true, true]);
  }),

  semaphoreCase('mixed-ttls', "one client's short ttl does not expire another's long hold", async ({ manager, peer, name }) => {
    const [mine, theirs] = [manager.semaphore(name, { permits: 1 }), peer.semaphore(name, { permits: 1 })];
    const long = granted(await mine.tryAcquire({ ...HELD, renew: false }));
    await delay(400);
    assert.equal(await theirs.tryAcquire({ ttlMs: 200 }), null, "a short ttl expired another's hold");
    assert.equal(await theirs.tryAcquire({ ttlMs: 1 }).catch(() => null), null);
    assert.equal(long.isHeld, true);
    assert.equal(await long.release(), true);
  }),

  semaphoreCase(
    'wakes-all-that-fit',
    'permits that are freed together let in as many waiters as fit',
    async ({ manager, peer, third, name }) => {
      const of = (one: typeof manager) => one.semaphore(name, { permits: 3 });
      const all = granted(await of(manager).tryAcquire({ ...HELD, permits: 3 }));
      // Each keeps its permit until all have theirs: who is not woken at once is not woken by another's release.
      const waiters = [of(manager), of(peer), of(third)].map((semaphore) => semaphore.acquire({ ...HELD, waitMs: SOON_MS }));
      await delay(50);
      await all.release();
      const leases: PermitLease[] = await Promise.all(waiters);
      assert.equal(await of(peer).tryAcquire(), null);
      for (const lease of leases) assert.equal(await lease.release(), true);
    },
  ),

  semaphoreCase(
    'left-over',
    'the rest of permits that were freed together goes to the next waiters, whatever each asks for',
    async ({ manager, peer, third, name }) => {
      const of = (one: typeof manager) => one.semaphore(name, { permits: 6 });
      const all = await of(third).acquire({ ...HELD, permits: 6, waitMs: SOON_MS });
      // The first takes a part; the rest is enough for one behind it in its own line, and for one in another's.
      const waiters: Promise<PermitLease>[] = [];
      for (const [one, permits] of [
        [manager, 3],
        [manager, 1],
        [peer, 2],
      ] as const) {
        waiters.push(of(one).acquire({ ...HELD, permits, waitMs: 2 * SOON_MS }));
        await delay(30);
      }
      await all.release();
      const leases = await within('all that fit together', Promise.all(waiters), manager.capabilities.push ? 1_500 : SOON_MS);
      assert.equal(await of(third).tryAcquire(), null);
      for (const lease of leases) assert.equal(await lease.release(), true);
    },
  ),

  semaphoreCase(
    'left-by-one-that-gave-up',
    'permits that were freed for a waiter who has given up meanwhile go to the next',
    async ({ manager, peer, third, name }) => {
      const of = (one: typeof manager) => one.semaphore(name, { permits: 3 });
      const all = await of(third).acquire({ ...HELD, permits: 3, waitMs: SOON_MS });
      const controller = new AbortController();
      const leaving = of(manager)
        .acquire({ ...HELD, permits: 3, signal: controller.signal })
        .then(
          (lease) => lease.release(),
          () => true,
        );
      await delay(30);
      const waiters = [
        of(peer).acquire({ ...HELD, permits: 2, waitMs: 2 * SOON_MS }),
        of(manager).acquire({ ...HELD, waitMs: 2 * SOON_MS }),
      ];
      await delay(30);
      const released = all.release();
      controller.abort();
      await Promise.all([released, leaving]);
      const leases = await within('those behind it', Promise.all(waiters), manager.capabilities.push ? 1_500 : SOON_MS);
      for (const lease of leases) assert.equal(await lease.release(), true);
    },
  ),

  semaphoreCase('wakes-beside-holders', 'a waiter gets the permit that is freed while others are kept', async ({ manager, peer, name }) => {
    const [mine, theirs] = [manager.semaphore(name, { permits: 3 }), peer.semaphore(name, { permits: 3 })];
    const kept = granted(await mine.tryAcquire({ ...HELD, permits: 2 }));
    const freed = granted(await theirs.tryAcquire(HELD));
    const waiting = mine.acquire({ ...HELD, waitMs: SOON_MS });
    await delay(50);
    await freed.release();
    const lease = await waiting;
    assert.deepEqual(await Promise.all([lease.release(), kept.release()]), [true, true]);
  }),

  semaphoreCase('inspect', 'inspect says who has how many, and forceRelease frees them all', async ({ manager, peer, name }) => {
    const [mine, theirs] = [manager.semaphore(name, { permits: 5 }), peer.semaphore(name, { permits: 5 })];
    assert.equal((await mine.inspect()).held, false);
    assert.equal(await mine.forceRelease(), false);
    const leases = [
      granted(await mine.tryAcquire({ ...HELD, permits: 2, label: 'two' })),
      granted(await theirs.tryAcquire({ ...HELD, label: 'one' })),
    ];
    const state = await theirs.inspect();
    assert.equal(state.kind, 'semaphore');
    assert.equal(state.name, name);
    assert.equal(state.held, true);
    assert.equal(
      state.holders.reduce((sum, holder) => sum + holder.permits, 0),
      3,
    );
    for (const holder of state.holders) {
      assert.equal(holder.mode, 'permits');
      assert.equal(holder.fencingToken, null);
      if (holder.label !== null) assert.equal(holder.permits, holder.label === 'two' ? 2 : 1);
    }
    assert.equal(await mine.forceRelease(), true);
    assert.deepEqual(await Promise.all(leases.map((lease) => lease.release())), [false, false]);
    await eventually('all permits are free', async () => (await (await mine.tryAcquire({ permits: 5 }))?.release()) === true);
  }),
];

interface SemaphoreWorld {
  readonly manager: LockManager;
  readonly peer: LockManager;
  readonly third: LockManager;
  readonly name: string;
}

function semaphoreCase(id: string, title: string, run: (world: SemaphoreWorld) => Promise<void>): ConformanceCase {
  return conformanceCase(`semaphores/${id}`, {
    title,
    needs: ['semaphores'],
    run: async ({ manager, peer, name }) => run({ manager, peer: await peer(), third: await peer(), name: name() }),
  });
}
