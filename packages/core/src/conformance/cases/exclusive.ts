import assert from 'node:assert/strict';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import {
  delay,
  granted,
  HELD,
  isLost,
  LONG_TTL_MS,
  Occupancy,
  rejectsWith,
  rejectsWithReason,
  RUNS_OUT_MS,
  SOON_MS,
  watch,
} from '../expectations.js';
import { type Exclusive, type ExclusiveWorld, openExclusive, type Primitive, primitives } from '../primitives.js';

/** The same statements for everything that can be had alone. */
export const exclusiveCases: readonly ConformanceCase[] = primitives.flatMap((primitive) => [
  exclusiveCase(primitive, 'is-taken-and-freed', 'can be taken, freed and taken again by somebody else', async ({ mine, theirs }) => {
    const first = await mine.acquire();
    assert.equal(first.isHeld, true);
    assert.equal(await first.release(), true);
    const second = granted(await theirs.tryAcquire());
    assert.equal(await second.release(), true);
  }),

  exclusiveCase(primitive, 'excludes', 'is busy for everybody else while it is held', async ({ mine, theirs }) => {
    const hold = await mine.acquire(HELD);
    assert.equal(await theirs.tryAcquire(), null, 'a peer was let in');
    assert.equal(await mine.tryAcquire(), null, 'another caller of the same manager was let in');
    assert.equal((await mine.inspect()).held, true);
    assert.equal(await hold.release(), true);
  }),

  exclusiveCase(primitive, 'busy-is-a-value', 'tryWith... distinguishes busy from a task without a result', async ({ mine, theirs }) => {
    assert.deepEqual(await mine.tryWithLock({}, () => undefined), { acquired: true, value: undefined });
    assert.deepEqual(await mine.tryWithLock({}, async () => null), { acquired: true, value: null });
    const hold = await theirs.acquire(HELD);
    let ran = false;
    const answer = await mine.tryWithLock({}, () => {
      ran = true;
    });
    assert.equal(answer.acquired, false);
    assert.equal(ran, false, 'the task ran without the hold');
    await hold.release();
  }),

  exclusiveCase(
    primitive,
    'wait-runs-out',
    'a wait that runs out while it is held is LOCK_TIMEOUT, after the wait',
    async ({ mine, theirs }) => {
      const hold = await theirs.acquire(HELD);
      const start = performance.now();
      const error = await rejectsWith('LOCK_TIMEOUT', mine.acquire({ waitMs: RUNS_OUT_MS }));
      // Timers of Node may fire a millisecond early.
      assert.ok(performance.now() - start >= RUNS_OUT_MS - 5, 'gave up before the wait had run out');
      assert.ok(error.waitedMs >= RUNS_OUT_MS - 5, `says that it waited ${error.waitedMs} ms`);
      assert.equal(hold.isHeld, true);
      await hold.release();
    },
  ),

  exclusiveCase(
    primitive,
    'one-attempt',
    'waitMs 0 is exactly one attempt: it takes what is free and gives up at once otherwise',
    async ({ mine, theirs }) => {
      const hold = await mine.acquire({ waitMs: 0, ttlMs: LONG_TTL_MS });
      await rejectsWith('LOCK_TIMEOUT', theirs.acquire({ waitMs: 0 }));
      await hold.release();
    },
  ),

  exclusiveCase(
    primitive,
    'hand-over',
    'a waiter gets it when it is freed, from the same manager and from a peer',
    async ({ mine, theirs }) => {
      const first = await mine.acquire(HELD);
      const second = watch(theirs.acquire({ waitMs: SOON_MS, ttlMs: LONG_TTL_MS }));
      await delay(30);
      assert.equal(second.settled, false, 'a waiter did not wait');
      await first.release();
      const held = await second.promise;
      const third = watch(theirs.acquire({ waitMs: SOON_MS, ttlMs: LONG_TTL_MS }));
      await delay(30);
      assert.equal(third.settled, false, 'a waiter of the same manager did not wait');
      await held.release();
      assert.equal(await (await third.promise).release(), true);
    },
  ),

  exclusiveCase(primitive, 'load', 'never has two holders under load', async ({ world, mine, theirs, name }) => {
    const third = primitive.of(await world.peer(), name);
    const inside = new Occupancy();
    const work = async (lock: Exclusive): Promise<void> => {
      for (let round = 0; round < 4; round++) {
        await lock.withLock({ waitMs: 2 * SOON_MS, ttlMs: LONG_TTL_MS }, () => inside.during(1, () => delay(round % 2)));
      }
    };
    await Promise.all([mine, theirs, third].flatMap((lock) => [work(lock), work(lock), work(lock)]));
    assert.equal(inside.most, 1);
  }),

  exclusiveCase(
    primitive,
    'abort-while-waiting',
    "an abort ends the wait with the signal's own reason and leaves nothing",
    async ({ mine, theirs }) => {
      const hold = await theirs.acquire(HELD);
      const controller = new AbortController();
      const reason = new Error('the caller has left');
      const waiting = mine.acquire({ signal: controller.signal });
      setTimeout(() => controller.abort(reason), 30);
      await rejectsWithReason(reason, waiting);
      assert.equal(hold.isHeld, true);
      await hold.release();
      const next = await theirs.acquire({ waitMs: SOON_MS });
      assert.equal(await next.release(), true);
    },
  ),

  exclusiveCase(primitive, 'with', 'with... runs the task under the hold, answers its value and frees it', async ({ mine, theirs }) => {
    const value = await mine.withLock(HELD, async (hold) => {
      assert.equal(hold.isHeld, true);
      assert.equal(await theirs.tryAcquire(), null);
      return 42;
    });
    assert.equal(value, 42);
    const failure = new Error('the task failed');
    await rejectsWithReason(
      failure,
      mine.withLock({}, () => Promise.reject(failure)),
    );
    await granted(await theirs.tryAcquire()).release();
  }),

  exclusiveCase(primitive, 'release-once', 'a second release frees nobody else', async ({ mine, theirs }) => {
    const first = await mine.acquire();
    assert.deepEqual(await Promise.all([first.release(), first.release()]), [true, true]);
    const second = granted(await mine.tryAcquire(HELD));
    assert.equal(await first.release(), true, 'a repeated release answers what the first one answered');
    assert.equal(await theirs.tryAcquire(), null, 'a repeated release freed the next holder');
    assert.equal(await second.release(), true);
  }),

  exclusiveCase(primitive, 'dispose', 'await using frees it', async ({ mine, theirs }) => {
    const hold = await mine.acquire(HELD);
    await hold[Symbol.asyncDispose]();
    assert.equal(hold.isHeld, false);
    await granted(await theirs.tryAcquire()).release();
  }),

  exclusiveCase(primitive, 'close', 'closing its manager frees it and ends the wait for it', async ({ world, mine, name }) => {
    const peer = await world.peer();
    const theirs = primitive.of(peer, name);
    const hold = await theirs.acquire(HELD);
    const waiting = rejectsWith('LOCK_CLOSED', theirs.acquire());
    const next = mine.acquire({ waitMs: 2 * SOON_MS });
    await peer.close();
    await waiting;
    assert.equal((await isLost(hold)).reason, 'closed');
    assert.equal(await (await next).release(), true);
  }),

  ...(primitive.forcible ? forcibleCases(primitive) : []),
]);

function forcibleCases(primitive: Primitive): readonly ConformanceCase[] {
  return [
    exclusiveCase(
      primitive,
      'forced',
      'a forced release frees it, and a stale release or extend leaves the next holder alone',
      async ({ mine, theirs }) => {
        const first = await mine.acquire(HELD);
        assert.equal(await theirs.forceRelease(), true);
        // The same manager: the next hold must not be mistaken for the first one.
        const second = granted(await mine.tryAcquire(HELD));
        assert.equal(await first.release(), false, 'the stale release says that it freed something');
        await rejectsWith('LOCK_LOST', first.extend());
        assert.equal(await theirs.tryAcquire(), null, 'the stale release freed the next holder');
        assert.equal((await theirs.inspect()).held, true);
        assert.equal(await second.release(), true);
      },
    ),
  ];
}

function exclusiveCase(primitive: Primitive, id: string, title: string, run: (world: ExclusiveWorld) => Promise<void>): ConformanceCase {
  return conformanceCase(`exclusive/${primitive.id}/${id}`, {
    title: `${primitive.title}: ${title}`,
    needs: primitive.needs,
    run: async (world) => run(await openExclusive(world, primitive)),
  });
}
