import assert from 'node:assert/strict';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { granted, HELD, isBusy } from '../expectations.js';

/** Lock x, semaphore x, read/write x and mark x are separate things. */
export const kindCases: readonly ConformanceCase[] = [
  conformanceCase('kinds/semaphore', {
    title: 'a lock and a semaphore of one name do not know each other',
    needs: ['semaphores'],
    async run({ manager, peer, name }) {
      const same = name();
      const other = await peer();
      const semaphore = manager.semaphore(same, { permits: 1 });
      const lock = await manager.acquire(same, HELD);
      const permit = granted(await semaphore.tryAcquire(HELD), 'the lock took the semaphore');
      assert.equal((await semaphore.inspect()).kind, 'semaphore');
      assert.equal((await manager.inspect(same)).kind, 'lock');
      assert.equal(await manager.forceRelease(same), true);
      assert.equal(await other.semaphore(same, { permits: 1 }).tryAcquire(), null, 'a forced release of the lock freed the semaphore');
      const again = granted(await other.tryAcquire(same, HELD));
      assert.equal(await semaphore.forceRelease(), true);
      await isBusy(manager, same);
      assert.equal(await lock.release(), false);
      assert.equal(await permit.release(), false);
      assert.equal(await again.release(), true);
    },
  }),

  conformanceCase('kinds/read-write', {
    title: 'a lock and a read/write lock of one name do not know each other',
    needs: ['readWriteLocks'],
    async run({ manager, peer, name }) {
      const same = name();
      const other = await peer();
      const readWrite = manager.readWriteLock(same);
      const lock = await manager.acquire(same, HELD);
      const write = granted(await readWrite.write.tryAcquire(HELD), 'the lock took the read/write lock');
      assert.equal((await readWrite.inspect()).kind, 'read-write');
      assert.equal(await manager.forceRelease(same), true);
      assert.equal(await other.readWriteLock(same).read.tryAcquire(), null, 'a forced release of the lock freed the writer');
      assert.equal(await write.release(), true);
      const read = granted(await readWrite.read.tryAcquire(HELD));
      const again = granted(await other.tryAcquire(same, HELD), 'a reader took the lock');
      assert.equal(await readWrite.forceRelease(), true);
      await isBusy(manager, same);
      assert.equal(await lock.release(), false);
      assert.equal(await read.release(), false);
      assert.equal(await again.release(), true);
    },
  }),

  conformanceCase('kinds/semaphore-and-read-write', {
    title: 'a semaphore and a read/write lock of one name do not know each other',
    needs: ['semaphores', 'readWriteLocks'],
    async run({ manager, name }) {
      const same = name();
      const permit = await manager.semaphore(same, { permits: 1 }).acquire(HELD);
      const write = granted(await manager.readWriteLock(same).write.tryAcquire(HELD), 'a permit took the read/write lock');
      assert.equal(await write.release(), true);
      assert.equal(await manager.semaphore(same, { permits: 1 }).tryAcquire(), null);
      assert.equal(await permit.release(), true);
    },
  }),

  conformanceCase('kinds/marks', {
    title: 'a mark and a lock of one name do not know each other',
    needs: ['marks'],
    async run({ manager, peer, name }) {
      const same = name();
      const other = await peer();
      const lease = await manager.acquire(same, HELD);
      assert.equal(await other.marks?.has(same), false);
      assert.equal(await other.marks?.set(same, { retentionMs: 60_000 }), true);
      await isBusy(other, same);
      assert.equal(await lease.release(), true);
      assert.equal(await other.marks?.has(same), true, 'a release took the mark with it');
      await granted(await other.tryAcquire(same)).release();
    },
  }),
];
