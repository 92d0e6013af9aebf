import assert from 'node:assert/strict';
import type { LockManager } from '../../index.js';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import {
  delay,
  eventually,
  granted,
  HELD,
  isBusy,
  isLost,
  rejectsWith,
  RUNS_OUT_MS,
  SHORT_TTL_MS,
  SOON_MS,
  within,
} from '../expectations.js';

/** What remains when clients have gone: nothing, after a crash within a bound. */
export const residueCases: readonly ConformanceCase[] = [
  conformanceCase('residue/after-use', {
    title: 'everything that was taken and freed is gone from the store',
    faults: ['residue'],
    async run({ manager, peer, faults, name }) {
      const before = new Set(await faults.residue());
      const other = await peer();
      await useEverything(manager, other, name);
      await other.close();
      await onlyThat(before, () => faults.residue());
    },
  }),

  conformanceCase('residue/after-close', {
    title: 'a manager that closes with holds, waiters and subscriptions leaves nothing',
    faults: ['residue'],
    async run({ manager, peer, faults, name, lock }) {
      const before = new Set(await faults.residue());
      const leaving = await peer();
      await leaving.acquire(lock, HELD);
      await leaving.tryAcquireEach([name(), name()], HELD);
      const waiting = leaving.acquire(lock).catch(() => null);
      if (leaving.capabilities.semaphores) await leaving.semaphore(name(), { permits: 3 }).acquire({ ...HELD, permits: 2 });
      if (leaving.capabilities.readWriteLocks) {
        const readWrite = leaving.readWriteLock(name());
        await readWrite.read.acquire(HELD);
        void readWrite.write.acquire(HELD).catch(() => null);
      }
      await delay(50);
      await leaving.close();
      await waiting;
      await onlyThat(before, () => faults.residue());
      assert.equal((await manager.inspect(lock)).held, false);
    },
  }),

  conformanceCase('residue/after-expiry', {
    title: 'what expired is gone from the store',
    faults: ['residue'],
    async run({ manager, faults, name }) {
      const before = new Set(await faults.residue());
      const short = { ttlMs: SHORT_TTL_MS, renew: false, waitMs: SOON_MS };
      const leases = [await manager.acquire(name(), short)];
      if (manager.capabilities.readWriteLocks) leases.push(await manager.readWriteLock(name()).read.acquire(short));
      const permit = manager.capabilities.semaphores ? await manager.semaphore(name(), { permits: 2 }).acquire(short) : null;
      await Promise.all([...leases, ...(permit === null ? [] : [permit])].map((lease) => isLost(lease, SHORT_TTL_MS + SOON_MS)));
      await onlyThat(before, () => faults.residue());
    },
  }),

  conformanceCase('residue/after-faults', {
    title: 'what was cut off in the middle is gone from the store when it is back',
    faults: ['residue', 'disconnect', 'reconnect'],
    options: { commandTimeoutMs: 300 },
    async run({ manager, peer, faults, name, lock }) {
      const other = await peer();
      const hold = await other.acquire(lock, HELD);
      const before = new Set(await faults.residue());
      const mine = await manager.acquire(name(), HELD);
      const waiting = [
        manager.acquire(lock, { waitMs: 400 }).catch(() => null),
        manager.acquire(lock, { signal: AbortSignal.timeout(300) }).catch(() => null),
      ];
      await delay(50);
      await faults.disconnect();
      await mine.release().catch(() => null);
      await Promise.all(waiting);
      await faults.reconnect();
      await onlyThat(before, () => faults.residue());
      assert.equal(await hold.release(), true);
    },
    timeoutMs: 30_000,
  }),
];

/** A killed client's lock is free within the bound; a dead waiter costs others little. */
export const crashCases: readonly ConformanceCase[] = [
  conformanceCase('crash/holder', {
    title: "a dead holder's lock is free when its time to live or its session has ended, and not before",
    faults: ['crash'],
    timeoutMs: 60_000,
    async run({ manager, peer, faults, lock }) {
      const doomed = await peer();
      const lease = await doomed.acquire(lock, { ttlMs: 600, waitMs: SOON_MS });
      await faults.crash(doomed);
      const next = await manager.acquire(lock, { waitMs: boundMs(manager, 600) });
      assert.equal(lease.isHeld, false, 'two believe in the lock');
      await isBusy(await peer(), lock);
      assert.equal(await next.release(), true);
    },
  }),

  conformanceCase('crash/everything', {
    title: 'permits and readers of a dead client are free within the same bound',
    faults: ['crash'],
    needs: ['semaphores', 'readWriteLocks'],
    timeoutMs: 60_000,
    async run({ manager, peer, faults, name }) {
      const doomed = await peer();
      const [semaphore, readWrite] = [name(), name()];
      await doomed.semaphore(semaphore, { permits: 3 }).acquire({ ttlMs: 600, permits: 3, waitMs: SOON_MS });
      await doomed.readWriteLock(readWrite).read.acquire({ ttlMs: 600, waitMs: SOON_MS });
      await faults.crash(doomed);
      const waitMs = boundMs(manager, 600);
      const [permit, writer] = await Promise.all([
        manager.semaphore(semaphore, { permits: 3 }).acquire({ permits: 3, waitMs }),
        manager.readWriteLock(readWrite).write.acquire({ waitMs }),
      ]);
      assert.deepEqual(await Promise.all([permit.release(), writer.release()]), [true, true]);
    },
  }),

  conformanceCase('crash/waiter', {
    title: 'a dead waiter costs those behind it at most two seconds',
    faults: ['crash'],
    timeoutMs: 60_000,
    async run({ manager, peer, faults, lock }) {
      const [doomed, other] = [await peer(), await peer()];
      const hold = await other.acquire(lock, HELD);
      const dead = doomed.acquire(lock, HELD).catch(() => null);
      await delay(100);
      const waiting = manager.acquire(lock, { ...HELD, waitMs: 30_000 });
      await delay(100);
      await faults.crash(doomed);
      const start = performance.now();
      await hold.release();
      const lease = await within('the waiter behind a dead one', waiting, boundMs(manager, 0));
      if (manager.capabilities.expiry === 'ttl') assert.ok(performance.now() - start < 2_000 + 1_500);
      assert.equal(await lease.release(), true);
      void dead;
    },
  }),
];

/** How long a dead client's holds may stand: its time to live and guard, or a session that the harness keeps short. */
function boundMs(manager: LockManager, ttlMs: number): number {
  return manager.capabilities.expiry === 'ttl' ? ttlMs + 1_000 + SOON_MS : 30_000;
}

async function onlyThat(before: ReadonlySet<string>, residue: () => Promise<readonly string[]>): Promise<void> {
  let left: readonly string[] = [];
  await eventually('nothing is left', async () => {
    left = (await residue()).filter((one) => !before.has(one));
    return left.length === 0;
  }).catch(() => assert.fail(`left behind: ${left.join(', ')}`));
}

async function useEverything(manager: LockManager, other: LockManager, name: () => string): Promise<void> {
  const lock = name();
  const hold = await manager.acquire(lock, HELD);
  await rejectsWith('LOCK_TIMEOUT', other.acquire(lock, { waitMs: RUNS_OUT_MS }));
  await other.acquire(lock, { signal: AbortSignal.timeout(40) }).catch(() => null);
  const waiting = other.withLock(lock, { waitMs: SOON_MS }, () => {});
  await delay(30);
  await hold.extend();
  await hold.release();
  await waiting;
  const theirs = await other.acquire(lock, HELD);
  const mine = manager.withLock(lock, { waitMs: SOON_MS }, () => {});
  await rejectsWith('LOCK_TIMEOUT', manager.acquire(lock, { waitMs: RUNS_OUT_MS }));
  await theirs.release();
  await mine;
  const forced = await manager.acquire(lock, HELD);
  await other.forceRelease(lock);
  await forced.release();
  await (await manager.acquireAll([name(), name()])).release();
  await (await manager.tryAcquireEach([name(), name(), name()])).releaseAll();
  await manager.checkHealth();
  await manager.inspect(name());
  if (manager.capabilities.semaphores) {
    const semaphore = name();
    const permits = granted(await manager.semaphore(semaphore, { permits: 3 }).tryAcquire({ permits: 2 }));
    assert.equal(await other.semaphore(semaphore, { permits: 3 }).tryAcquire({ permits: 2 }), null);
    await permits.release();
  }
  if (manager.capabilities.readWriteLocks) {
    const readWrite = name();
    const reader = await manager.readWriteLock(readWrite).read.acquire();
    await other
      .readWriteLock(readWrite)
      .write.acquire({ waitMs: 200 })
      .catch(() => null);
    await reader.release();
    await (await other.readWriteLock(readWrite).write.acquire({ waitMs: SOON_MS })).release();
  }
}
