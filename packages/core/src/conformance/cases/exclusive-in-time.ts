import assert from 'node:assert/strict';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { delay, HELD, isLost, LONG_TTL_MS, rejectsWith, SHORT_TTL_MS, SOON_MS } from '../expectations.js';
import { type ExclusiveWorld, openExclusive, type Primitive, primitives } from '../primitives.js';

/** What takes time is stated of all primitives side by side, so that the time is waited for once. */
export const exclusiveInTimeCases: readonly ConformanceCase[] = [
  forAll('renewed', 'a hold is renewed for as long as it is kept', async ({ mine, theirs }) => {
    const hold = await mine.acquire({ ttlMs: 1_500, waitMs: SOON_MS });
    // Past the end of what was granted, with the guard time.
    await delay(1_900);
    assert.equal(hold.isHeld, true, 'was lost');
    assert.ok(hold.remainingMs > 0 && hold.remainingMs <= 1_500, `remainingMs is ${hold.remainingMs}`);
    assert.equal(await theirs.tryAcquire(), null, 'was free while it was held');
    assert.equal(await hold.release(), true, 'was not there any more');
  }),

  forAll('expires', 'a hold that is not renewed ends at its deadline, never before a waiter has it', async ({ mine, theirs }) => {
    const first = await mine.acquire({ ttlMs: SHORT_TTL_MS, renew: false, waitMs: SOON_MS });
    const second = await theirs.acquire({ ttlMs: LONG_TTL_MS, waitMs: SHORT_TTL_MS + SOON_MS });
    assert.equal(first.isHeld, false, 'two holders at once');
    await isLost(first);
    assert.equal(await first.release(), false, 'a release after the end says that it freed something');
    await rejectsWith('LOCK_LOST', first.extend());
    assert.equal(second.isHeld, true);
    assert.equal(await mine.tryAcquire(), null, 'a stale release or extend freed the next holder');
    assert.equal(await second.release(), true);
  }),

  forAllForcible('stale-extend', 'a stale extend is refused and does not touch the next holder', async ({ mine, theirs }) => {
    const first = await mine.acquire(HELD);
    assert.equal(await theirs.forceRelease(), true);
    const second = await theirs.acquire({ ttlMs: SHORT_TTL_MS, renew: false, waitMs: SOON_MS });
    await rejectsWith('LOCK_LOST', first.extend(LONG_TTL_MS));
    await isLost(first);
    const next = await mine.acquire({ waitMs: SHORT_TTL_MS + SOON_MS });
    assert.equal(second.isHeld, false, 'two holders at once');
    await next.release();
  }),

  forAllForcible('told-of-force', 'the holder is notified of a forced release by its next renewal', async ({ mine, theirs }) => {
    const hold = await mine.acquire({ ttlMs: 1_200, waitMs: SOON_MS });
    assert.equal(await theirs.forceRelease(), true);
    const lost = await isLost(hold, 1_150);
    assert.ok(lost.reason === 'forced' || lost.reason === 'taken', `the reason is ${lost.reason}`);
    assert.equal(await hold.release(), false);
  }),
];

function forAllForcible(id: string, title: string, run: (world: ExclusiveWorld) => Promise<void>): ConformanceCase {
  return forAll(id, title, run, (primitive) => primitive.forcible);
}

function forAll(
  id: string,
  title: string,
  run: (world: ExclusiveWorld) => Promise<void>,
  isMeant: (primitive: Primitive) => boolean = () => true,
): ConformanceCase {
  return conformanceCase(`exclusive/all/${id}`, {
    title: `every primitive: ${title}`,
    async run(world) {
      const able = primitives.filter(
        (primitive) => isMeant(primitive) && primitive.needs.every((need) => world.manager.capabilities[need]),
      );
      await Promise.all(
        able.map(async (primitive) => {
          const opened = await openExclusive(world, primitive);
          await run(opened).catch((error: unknown) => {
            throw new assert.AssertionError({ message: `${primitive.title}: ${error instanceof Error ? error.message : String(error)}` });
          });
        }),
      );
    },
  });
}
