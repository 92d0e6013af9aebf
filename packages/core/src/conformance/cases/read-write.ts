import assert from 'node:assert/strict';
import type { LockManager, ReadWriteLock } from '../../index.js';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { delay, eventually, granted, HELD, isLost, SHORT_TTL_MS, SOON_MS, watch } from '../expectations.js';

/** Many readers or one writer, and neither starves. */
export const readWriteCases: readonly ConformanceCase[] = [
  readWriteCase('many-readers', 'readers share, over managers and within one', async ({ mine, theirs }) => {
    const readers = [
      granted(await mine.read.tryAcquire(HELD)),
      granted(await theirs.read.tryAcquire(HELD), 'a reader kept a reader out'),
      granted(await mine.read.tryAcquire(HELD), 'a reader kept a reader of its own manager out'),
    ];
    assert.equal(mine.read.name, mine.name);
    assert.equal((await theirs.inspect()).holders.length, 3);
    for (const reader of readers) assert.equal(await reader.release(), true);
  }),

  readWriteCase('writer-excludes', 'a writer keeps out readers and writers', async ({ mine, theirs }) => {
    const writer = granted(await mine.write.tryAcquire(HELD));
    for (const lock of [mine, theirs]) {
      assert.equal(await lock.read.tryAcquire(), null, 'a reader came in beside a writer');
      assert.equal(await lock.write.tryAcquire(), null, 'two writers');
    }
    assert.equal(await writer.release(), true);
    await granted(await theirs.read.tryAcquire()).release();
  }),

  readWriteCase('readers-exclude', 'the last of the readers lets a writer in, not the first', async ({ mine, theirs }) => {
    const first = granted(await mine.read.tryAcquire(HELD));
    const second = granted(await theirs.read.tryAcquire(HELD));
    assert.equal(await mine.write.tryAcquire(), null, 'a writer came in beside readers');
    assert.equal(await first.release(), true);
    assert.equal(await mine.write.tryAcquire(), null, 'the release of one reader freed another');
    await first.release();
    assert.equal(await mine.write.tryAcquire(), null, 'a second release of one reader freed another');
    assert.equal(await second.release(), true);
    await granted(await mine.write.tryAcquire(HELD)).release();
  }),

  readWriteCase(
    'hand-over',
    'a waiting writer follows the last reader, and waiting readers follow the writer, all of them',
    async ({ mine, theirs }) => {
      const reader = granted(await theirs.read.tryAcquire(HELD));
      const writing = watch(mine.write.acquire({ ...HELD, waitMs: 2 * SOON_MS }));
      await delay(30);
      assert.equal(writing.settled, false);
      await reader.release();
      const writer = await writing.promise;
      // Each keeps its hold until all have theirs.
      const reading = [mine, theirs, mine, theirs].map((lock) => lock.read.acquire({ ...HELD, waitMs: 2 * SOON_MS }));
      await delay(50);
      await writer.release();
      for (const lease of await Promise.all(reading)) assert.equal(await lease.release(), true);
    },
  ),

  readWriteCase('writer-not-starved', 'readers that come after a waiting writer wait behind it', async ({ mine, theirs, third }) => {
    const reader = granted(await theirs.read.tryAcquire(HELD));
    const writing = watch(mine.write.acquire({ ...HELD, waitMs: 3 * SOON_MS }));
    await eventually('a new reader waits behind the writer', async () => {
      const late = await third.read.tryAcquire(HELD);
      await late?.release();
      return late === null;
    });
    const behind = watch(third.read.acquire({ ...HELD, waitMs: 3 * SOON_MS }));
    await delay(50);
    assert.equal(behind.settled, false, 'a reader overtook a waiting writer');
    await reader.release();
    const writer = await writing.promise;
    assert.equal(behind.settled, false, 'a reader came in beside a writer');
    await writer.release();
    assert.equal(await (await behind.promise).release(), true);
  }),

  readWriteCase('writer-among-busy-readers', 'a writer gets in though readers overlap without a gap', async ({ mine, theirs, third }) => {
    let isWritten = false;
    const reader = async (lock: ReadWriteLock): Promise<void> => {
      while (!isWritten) await lock.read.withLock({ ...HELD, waitMs: 3 * SOON_MS }, () => delay(20));
    };
    const readers = Promise.all([reader(theirs), delay(7).then(() => reader(third)), delay(14).then(() => reader(theirs))]);
    await delay(60);
    try {
      const writer = await mine.write.acquire({ ...HELD, waitMs: 2 * SOON_MS });
      await writer.release();
    } finally {
      isWritten = true;
      await readers;
    }
  }),

  readWriteCase('writer-gives-up', 'a writer that gives up lets the readers behind it in', async ({ mine, theirs, third }) => {
    const reader = granted(await theirs.read.tryAcquire(HELD));
    const controller = new AbortController();
    const writing = mine.write.acquire({ ...HELD, signal: controller.signal }).catch((error: unknown) => error);
    await eventually('the writer is waiting', async () => {
      const late = await third.read.tryAcquire(HELD);
      await late?.release();
      return late === null;
    });
    const behind = third.read.acquire({ ...HELD, waitMs: SOON_MS });
    controller.abort('left');
    assert.equal(await writing, 'left');
    assert.equal(await (await behind).release(), true);
    assert.equal(await reader.release(), true);
  }),

  readWriteCase('expired-reader', 'a reader that expired does not keep a writer out', async ({ mine, theirs }) => {
    const gone = await theirs.read.acquire({ ttlMs: SHORT_TTL_MS, renew: false, waitMs: SOON_MS });
    const writer = await mine.write.acquire({ ...HELD, waitMs: SHORT_TTL_MS + SOON_MS });
    assert.equal(gone.isHeld, false, 'a writer came in beside a reader');
    assert.equal(await gone.release(), false);
    assert.equal(await theirs.read.tryAcquire(), null, 'a stale release of a reader freed the writer');
    assert.equal(await writer.release(), true);
  }),

  readWriteCase('expired-among-readers', 'one reader that expires leaves the others', async ({ mine, theirs }) => {
    const kept = granted(await mine.read.tryAcquire(HELD));
    const gone = await theirs.read.acquire({ ttlMs: SHORT_TTL_MS, renew: false, waitMs: SOON_MS });
    await isLost(gone, SHORT_TTL_MS + SOON_MS);
    // Past the guard time, so that the store has dropped it too.
    await delay(200);
    assert.equal(await theirs.write.tryAcquire(), null, 'the expiry of one reader freed another');
    assert.equal(await kept.release(), true);
    // A busy store may drop what has expired later still.
    await (await theirs.write.acquire({ ...HELD, waitMs: SOON_MS })).release();
  }),

  readWriteCase('inspect', 'inspect distinguishes readers from a writer; forceRelease frees all of them', async ({ mine, theirs }) => {
    assert.equal((await mine.inspect()).held, false);
    const readers = [
      granted(await mine.read.tryAcquire({ ...HELD, label: 'r' })),
      granted(await theirs.read.tryAcquire({ ...HELD, label: 'r' })),
    ];
    const reading = await mine.inspect();
    assert.equal(reading.kind, 'read-write');
    assert.deepEqual(
      reading.holders.map((holder) => holder.mode),
      ['read', 'read'],
    );
    assert.equal(await theirs.forceRelease(), true);
    const writer = granted(await mine.write.tryAcquire({ ...HELD, label: 'w' }), 'a forced release left a reader');
    assert.deepEqual(await Promise.all(readers.map((reader) => reader.release())), [false, false]);
    const writing = await theirs.inspect();
    assert.deepEqual(
      writing.holders.map((holder) => holder.mode),
      ['write'],
    );
    assert.equal(await writer.release(), true);
  }),
];

interface ReadWriteWorld {
  readonly mine: ReadWriteLock;
  readonly theirs: ReadWriteLock;
  readonly third: ReadWriteLock;
}

function readWriteCase(id: string, title: string, run: (world: ReadWriteWorld) => Promise<void>): ConformanceCase {
  return conformanceCase(`read-write/${id}`, {
    title,
    needs: ['readWriteLocks'],
    timeoutMs: 20_000,
    async run({ manager, peer, lock }) {
      const of = (one: LockManager): ReadWriteLock => one.readWriteLock(lock);
      await run({ mine: of(manager), theirs: of(await peer()), third: of(await peer()) });
    },
  });
}
