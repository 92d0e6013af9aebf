import assert from 'node:assert/strict';
import { isLockError } from '../../index.js';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import {
  delay,
  eventuallyReached,
  HELD,
  isBusy,
  isFree,
  isLost,
  LONG_TTL_MS,
  rejectsWith,
  SHORT_TTL_MS,
  skewedClock,
  SOON_MS,
  whileSilent,
  within,
} from '../expectations.js';

const HOUR_MS = 3_600_000;

/** The holder knows its end by its own clock; the store decides by its own; a late or lost answer leaves nothing. */
export const deadlineCases: readonly ConformanceCase[] = [
  conformanceCase('deadline/told-without-network', {
    title: 'a holder that is cut off is notified at its deadline, before anybody else gets the lock',
    faults: ['disconnect', 'reconnect'],
    options: { commandTimeoutMs: 300 },
    async run({ manager, peer, faults, name }) {
      const other = await peer();
      const lease = await manager.acquire(name(), { ttlMs: 600, waitMs: SOON_MS });
      await faults.disconnect();
      const next = other.acquire(lease.name, { waitMs: 30_000 }).then((granted) => ({ granted, stillHeld: lease.isHeld }));
      const lost = await isLost(lease, 600 + 1_000);
      assert.ok(lost.reason === 'deadline' || lost.reason === 'session', `the reason is ${lost.reason}`);
      const { granted, stillHeld } = await next;
      assert.equal(stillHeld, false, 'two holders at once');
      await faults.reconnect();
      await lease[Symbol.asyncDispose]();
      await eventuallyReached('the manager works again, and finds it busy', async () => {
        await isBusy(manager, lease.name);
        return true;
      });
      assert.equal(await granted.release(), true);
    },
    timeoutMs: 40_000,
  }),

  conformanceCase('deadline/silent-store', {
    title: 'a holder is notified at its deadline when the store goes silent on an open connection',
    faults: ['freeze', 'thaw'],
    options: { commandTimeoutMs: 300 },
    async run({ manager, faults, name }) {
      const lease = await manager.acquire(name(), { ttlMs: 600, waitMs: SOON_MS });
      await whileSilent(faults, () => isLost(lease, 600 + 1_000));
    },
  }),

  conformanceCase('deadline/late-grant', {
    title: 'a grant that comes after its call was over is given back, and nobody hears that it was busy',
    faults: ['freeze', 'thaw'],
    options: { commandTimeoutMs: 300 },
    async run({ manager, peer, faults, name, lock }) {
      await isFree(manager, name());
      await whileSilent(faults, () => rejectsWith('LOCK_BACKEND_UNAVAILABLE', manager.tryAcquire(lock, HELD)));
      await isFree(await peer(), lock, 2 * SOON_MS);
    },
  }),

  conformanceCase('deadline/expired-grant', {
    title: 'a grant that arrives past its own deadline is never handed out',
    faults: ['freeze', 'thaw'],
    async run({ manager, peer, faults, name, lock }) {
      await isFree(manager, name());
      await faults.freeze();
      const attempt = manager.tryAcquire(lock, { ttlMs: 300, renew: false }).then(
        (lease) => ({ lease }),
        (error: unknown) => ({ error }),
      );
      await delay(450);
      await faults.thaw();
      const outcome = await within('the attempt', attempt);
      if ('lease' in outcome) assert.fail(`an expired grant was handed out as ${outcome.lease === null ? 'busy' : 'a lease'}`);
      assert.ok(isLockError(outcome.error, 'LOCK_BACKEND_UNAVAILABLE'));
      await isFree(await peer(), lock);
    },
  }),

  conformanceCase('deadline/waiting-through-silence', {
    title: 'an acquire that waits through a silence of the store gets a lease that is worth its time, and leaves nothing else',
    faults: ['freeze', 'thaw'],
    options: { commandTimeoutMs: 300 },
    async run({ manager, peer, faults, name, lock }) {
      await isFree(manager, name());
      await faults.freeze();
      const waiting = manager.acquire(lock, { ttlMs: 900, waitMs: 3 * SOON_MS });
      await delay(1_000);
      await faults.thaw();
      const lease = await within('the waiter', waiting, 3 * SOON_MS);
      assert.equal(lease.isHeld, true);
      await isBusy(await peer(), lock);
      assert.equal(await lease.release(), true);
      await isFree(await peer(), lock, 2 * SOON_MS);
    },
    timeoutMs: 30_000,
  }),

  conformanceCase('deadline/aborted-in-silence', {
    title: 'an acquire that is aborted while the store is silent leaves nothing when it speaks again',
    faults: ['freeze', 'thaw'],
    options: { commandTimeoutMs: 500 },
    async run({ manager, peer, faults, name }) {
      const locks = [name(), name()] as const;
      await isFree(manager, name());
      await whileSilent(faults, async () => {
        const controller = new AbortController();
        const options = { signal: controller.signal, ttlMs: LONG_TTL_MS };
        const calls = Promise.allSettled([manager.acquire(locks[0], options), manager.tryAcquire(locks[1], options)]);
        await delay(50);
        controller.abort('left');
        const outcomes = await within('the aborted calls', calls);
        for (const outcome of outcomes) assert.ok(outcome.status === 'rejected' && outcome.reason === 'left');
      });
      for (const lock of locks) await isFree(await peer(), lock, 2 * SOON_MS);
    },
  }),

  conformanceCase('deadline/lost-reply', {
    title: 'an attempt whose grant was lost on the way leaves no lock behind',
    faults: ['loseNextReply'],
    async run({ manager, peer, faults, name, lock }) {
      await isFree(manager, name());
      await faults.loseNextReply();
      const outcome = await manager.tryAcquire(lock, HELD).then(
        (lease) => ({ lease }),
        (error: unknown) => ({ error }),
      );
      if ('error' in outcome) {
        assert.ok(isLockError(outcome.error, 'LOCK_BACKEND_UNAVAILABLE'), 'a lost reply is unavailable');
      } else {
        // Asked again under the same owner, which is as good; but its own hold must not count as busy.
        assert.notEqual(outcome.lease, null, 'a lost reply was reported as busy');
        await outcome.lease?.release();
      }
      await isFree(await peer(), lock);
    },
  }),

  conformanceCase('deadline/lost-reply-while-waiting', {
    title: 'an acquire whose grant was lost on the way does not wait for itself',
    faults: ['loseNextReply'],
    async run({ manager, peer, faults, name, lock }) {
      await isFree(manager, name());
      await faults.loseNextReply();
      const lease = await manager.acquire(lock, { ttlMs: LONG_TTL_MS, waitMs: 2 * SOON_MS });
      await isBusy(await peer(), lock);
      assert.equal(await lease.release(), true);
      await isFree(await peer(), lock);
    },
  }),

  conformanceCase('deadline/lost-release', {
    title: 'a release whose reply is lost frees the lock and is never answered with false',
    faults: ['loseNextReply'],
    async run({ manager, peer, faults, name }) {
      const lease = await manager.acquire(name(), HELD);
      await faults.loseNextReply();
      const answer = await lease.release().catch((error: unknown) => error);
      assert.ok(answer === true || isLockError(answer, 'LOCK_BACKEND_UNAVAILABLE'), `the release answered ${String(answer)}`);
      await isFree(await peer(), lease.name);
    },
  }),

  conformanceCase('deadline/failed-extend', {
    title: 'an extension that the store does not answer leaves the lease as it was, held and excluding',
    faults: ['disconnect', 'reconnect'],
    options: { commandTimeoutMs: 300 },
    async run({ manager, peer, faults, name }) {
      const other = await peer();
      const lease = await manager.acquire(name(), { ttlMs: 10_000, renew: false });
      await faults.disconnect();
      await rejectsWith('LOCK_BACKEND_UNAVAILABLE', lease.extend(20_000));
      assert.equal(lease.isHeld, true);
      assert.ok(lease.remainingMs <= 10_000, 'an unanswered extension moved the deadline');
      await isBusy(other, lease.name);
      await faults.reconnect();
      await eventuallyReached('the lease can be extended again', async () => {
        await lease.extend(20_000);
        return true;
      });
      assert.equal(await lease.release(), true);
    },
  }),

  conformanceCase('deadline/failed-release', {
    title: 'a release that the store does not answer rejects in its time and goes on in the background',
    faults: ['disconnect', 'reconnect'],
    options: { commandTimeoutMs: 300 },
    async run({ manager, peer, faults, name }) {
      const lease = await manager.acquire(name(), HELD);
      await faults.disconnect();
      await rejectsWith('LOCK_BACKEND_UNAVAILABLE', lease.release());
      assert.equal(lease.isHeld, false);
      await lease[Symbol.asyncDispose]();
      await faults.reconnect();
      await isFree(await peer(), lease.name, 2 * SOON_MS);
    },
  }),

  conformanceCase('deadline/store-clock', {
    title: "a peer whose clock is an hour off takes nobody's lock, and nobody takes its",
    async run({ manager, peer, name }) {
      const mine = await manager.acquire(name(), { ttlMs: 30_000 });
      for (const skewMs of [HOUR_MS, -HOUR_MS]) {
        const skewed = await peer({ clock: skewedClock(skewMs) });
        await isBusy(skewed, mine.name);
        const theirs = await skewed.acquire(name(), { ttlMs: 30_000 });
        assert.equal(theirs.isHeld, true);
        await isBusy(manager, theirs.name);
        assert.equal(await theirs.release(), true);
      }
      assert.equal(await mine.release(), true);
    },
  }),

  conformanceCase('deadline/store-clock-expiry', {
    title: 'the hold of a peer whose clock is an hour off expires in its time',
    async run({ manager, peer, name }) {
      await Promise.all(
        [HOUR_MS, -HOUR_MS].map(async (skewMs) => {
          const skewed = await peer({ clock: skewedClock(skewMs) });
          const theirs = await skewed.acquire(name(), { ttlMs: SHORT_TTL_MS, renew: false, waitMs: SOON_MS });
          const next = await manager.acquire(theirs.name, { waitMs: SHORT_TTL_MS + SOON_MS });
          assert.equal(theirs.isHeld, false);
          await next.release();
        }),
      );
    },
  }),
];
