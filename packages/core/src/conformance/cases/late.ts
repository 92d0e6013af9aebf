import assert from 'node:assert/strict';
import { type Hold, isLockError, type LockManager, type TryOptions } from '../../index.js';
import { type ConformanceCase, conformanceCase, type World } from '../conformance-case.js';
import { delay, describe, HELD, isBusy, isFree, LONG_TTL_MS, skewedClock, SOON_MS, within } from '../expectations.js';
import type { LateDelivery } from '../harness.js';

const HOUR_MS = 3_600_000;
/** Within this the release that is to undo a request has been sent over a new connection. */
const UNDONE_MS = 250;
/** Within this even a release that is repeated until it is final has ended, with commands of 300 ms. */
const FINAL_MS = 2_200;

/** A connection that this process has closed proves nothing: what was sent on it may arrive behind the release that was to undo it. */
export const lateCases: readonly ConformanceCase[] = [
  lateCase('soon', 'a request that arrives behind the release that was to undo it leaves nothing', 1_500, UNDONE_MS),
  lateCase('later', 'a request that arrives long after everybody has given it up leaves nothing', 300, FINAL_MS),
  lateCase('clock-ahead', 'nor does one of a client whose clock is an hour ahead', 300, FINAL_MS, HOUR_MS),
  lateCase('clock-behind', 'nor does one of a client whose clock is an hour behind', 300, FINAL_MS, -HOUR_MS),

  conformanceCase('late/waiting', {
    title: 'an acquire whose first request is late gets its lease nevertheless, and the late one does not stand beside it',
    faults: ['deliverLate'],
    options: { commandTimeoutMs: 1_000 },
    timeoutMs: 30_000,
    async run({ manager, peer, faults, name, lock }) {
      const other = await peer();
      await isFree(manager, name());
      const late = await faults.deliverLate();
      const waiting = manager.acquire(lock, { ...HELD, waitMs: 3 * SOON_MS });
      await onItsWay(late);
      const lease = await within('the acquire', waiting, 3 * SOON_MS);
      await late.deliver();
      await isBusy(other, lock);
      assert.equal(lease.isHeld, true);
      assert.equal(await lease.release(), true);
      await isFree(other, lock, 2 * SOON_MS);
      await staysFree(other, [(one) => one.tryAcquire(lock)]);
    },
  }),

  conformanceCase('late/release-and-extend', {
    title: 'an extension and a release that arrive late do not touch the next holder, and bring no hold back',
    faults: ['deliverLate'],
    options: { commandTimeoutMs: 500 },
    timeoutMs: 30_000,
    async run({ manager, peer, faults, name }) {
      const other = await peer();
      const leases = [
        await manager.acquire(name(), HELD),
        await manager.acquire(name(), HELD),
        await manager.acquire(name(), HELD),
      ] as const;
      const late = await faults.deliverLate();
      const calls = Promise.allSettled([leases[0].extend(2 * LONG_TTL_MS), leases[1].release(), leases[2].extend(2 * LONG_TTL_MS)]);
      await onItsWay(late);
      await within('the calls that are late', calls);
      for (const lease of leases) await lease[Symbol.asyncDispose]();
      // Somebody else has two of them when it comes, and nobody the third.
      const next = await Promise.all(leases.slice(0, 2).map((lease) => other.acquire(lease.name, { ...HELD, waitMs: 3 * SOON_MS })));
      await late.deliver();
      await delay(100);
      for (const lease of next) {
        assert.equal(lease.isHeld, true);
        await isBusy(manager, lease.name);
        assert.equal(await lease.release(), true, 'what came late has freed the hold of another');
      }
      await staysFree(
        other,
        leases.map((lease) => (one: LockManager) => one.tryAcquire(lease.name)),
      );
    },
  }),
];

type Attempt = (manager: LockManager, options?: TryOptions) => Promise<Hold | null>;

/** One request of each kind is late. What became of the calls was said at once; what counts is what stands afterwards. */
function lateCase(id: string, title: string, commandTimeoutMs: number, afterMs: number, skewMs = 0): ConformanceCase {
  return conformanceCase(`late/${id}`, {
    title,
    faults: ['deliverLate'],
    options: { commandTimeoutMs, ...(skewMs === 0 ? {} : { clock: skewedClock(skewMs) }) },
    timeoutMs: 30_000,
    async run({ manager, peer, faults, name }) {
      const other = await peer();
      const attempts = attemptsOf(manager, name);
      await isFree(manager, name());
      const late = await faults.deliverLate();
      const calls = attempts.map((attempt) => attempt(manager, HELD).catch((error: unknown) => error));
      await onItsWay(late);
      for (const outcome of await within('the calls that are late', Promise.all(calls))) {
        assert.notEqual(outcome, null, 'a request that got no answer was reported as busy');
        // Asked again over a new connection, under the same owner, is as good.
        if (outcome instanceof Error) assert.ok(isLockError(outcome, 'LOCK_BACKEND_UNAVAILABLE'), describe(outcome));
        else await (outcome as Hold).release();
      }
      await delay(afterMs);
      await late.deliver();
      await Promise.all(attempts.map((attempt) => becomesFree(other, attempt)));
      await staysFree(other, attempts);
    },
  });
}

function attemptsOf({ capabilities }: LockManager, name: World['name']): readonly Attempt[] {
  const [lock, semaphore, reading, writing] = [name(), name(), name(), name()];
  return [
    (one, options) => one.tryAcquire(lock, options),
    ...(capabilities.semaphores
      ? [(one: LockManager, options?: TryOptions) => one.semaphore(semaphore, { permits: 2 }).tryAcquire({ ...options, permits: 2 })]
      : []),
    ...(capabilities.readWriteLocks
      ? [
          // The one who asks for the read lock late stands in a writer's way.
          (one: LockManager, options?: TryOptions) =>
            options === undefined ? one.readWriteLock(reading).write.tryAcquire() : one.readWriteLock(reading).read.tryAcquire(options),
          (one: LockManager, options?: TryOptions) => one.readWriteLock(writing).write.tryAcquire(options),
        ]
      : []),
  ];
}

/** What was asked for has left this process; our end of its connections is gone. */
export async function onItsWay(late: LateDelivery): Promise<void> {
  await late.taken();
  // What was asked for in the same moment may be in a second packet.
  await delay(30);
  await late.cut();
}

async function becomesFree(manager: LockManager, attempt: Attempt): Promise<void> {
  const end = performance.now() + 2 * SOON_MS;
  for (let lease = await attempt(manager); ; lease = await attempt(manager)) {
    if (lease !== null) return void (await lease.release());
    assert.ok(performance.now() < end, 'a request that came late stands, and nobody frees it');
    await delay(20);
  }
}

/** What has come late may be carried out a moment after it was delivered. */
async function staysFree(manager: LockManager, attempts: readonly Attempt[]): Promise<void> {
  await delay(100);
  await Promise.all(attempts.map((attempt) => becomesFree(manager, attempt)));
}
