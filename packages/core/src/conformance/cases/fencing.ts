import assert from 'node:assert/strict';
import type { Lease, LockManager } from '../../index.js';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { eventually, granted, HELD, LONG_TTL_MS, SHORT_TTL_MS, skewedClock, SOON_MS } from '../expectations.js';

/** Exclusive and write grants of one name rise strictly, whatever happened in between. */
export const fencingCases: readonly ConformanceCase[] = [
  conformanceCase('fencing/release', {
    title: 'tokens rise over releases, from manager to manager',
    needs: ['fencing'],
    async run({ manager, peer, lock }) {
      const managers = [manager, await peer(), await peer()];
      const tokens = new Rising();
      for (let i = 0; i < 12; i++) {
        const lease = await granted(managers[i % managers.length]).acquire(lock, { waitMs: SOON_MS });
        tokens.add(lease);
        await lease.release();
      }
    },
  }),

  conformanceCase('fencing/load', {
    title: 'tokens rise in the order of the grants under load',
    needs: ['fencing'],
    async run({ manager, peer, lock }) {
      const tokens = new Rising();
      const managers = [manager, await peer(), await peer()];
      await Promise.all(
        managers.flatMap((one) =>
          Array.from({ length: 8 }, () => one.withLock(lock, { waitMs: 3 * SOON_MS, ttlMs: LONG_TTL_MS }, (lease) => tokens.add(lease))),
        ),
      );
    },
  }),

  conformanceCase('fencing/expiry', {
    title: 'tokens rise over an expiry',
    needs: ['fencing'],
    async run({ manager, peer, lock }) {
      const tokens = new Rising();
      tokens.add(await manager.acquire(lock, { ttlMs: SHORT_TTL_MS, renew: false, waitMs: SOON_MS }));
      // The same ttl, so that nothing that depends on it can rise by chance.
      const next = await (await peer()).acquire(lock, { ttlMs: SHORT_TTL_MS, waitMs: SHORT_TTL_MS + SOON_MS });
      tokens.add(next);
      await next.release();
    },
  }),

  conformanceCase('fencing/forced', {
    title: 'tokens rise over a forced release',
    needs: ['fencing'],
    async run({ manager, peer, lock }) {
      const tokens = new Rising();
      const other = await peer();
      for (let i = 0; i < 3; i++) {
        tokens.add(await manager.acquire(lock, { waitMs: SOON_MS, ttlMs: LONG_TTL_MS }));
        assert.equal(await other.forceRelease(lock), true);
        tokens.add(await other.acquire(lock, { waitMs: SOON_MS, ttlMs: LONG_TTL_MS }));
        assert.equal(await manager.forceRelease(lock), true);
      }
    },
  }),

  conformanceCase('fencing/restart-of-clients', {
    title: 'tokens rise when every client that knew the name is gone',
    needs: ['fencing'],
    async run({ peer, lock }) {
      const tokens = new Rising();
      for (let i = 0; i < 3; i++) {
        const short = await peer();
        tokens.add(await short.acquire(lock, { waitMs: SOON_MS }));
        await short.close();
      }
    },
  }),

  conformanceCase('fencing/skewed-clients', {
    title: 'tokens rise between clients whose clocks are an hour apart',
    needs: ['fencing'],
    async run({ manager, peer, lock }) {
      const tokens = new Rising();
      const managers = [await peer({ clock: skewedClock(3_600_000) }), manager, await peer({ clock: skewedClock(-3_600_000) })];
      for (let i = 0; i < 6; i++) {
        const lease = await granted(managers[i % 3]).acquire(lock, { waitMs: SOON_MS });
        tokens.add(lease);
        await lease.release();
      }
    },
  }),

  conformanceCase('fencing/reconnect', {
    title: 'tokens rise over a reconnect',
    needs: ['fencing'],
    faults: ['disconnect', 'reconnect'],
    async run({ manager, peer, faults, lock }) {
      const other = await peer();
      const tokens = new Rising();
      const take = async (one: LockManager): Promise<void> => {
        const lease = await one.acquire(lock, { waitMs: 2 * SOON_MS });
        tokens.add(lease);
        await lease.release();
      };
      await take(manager);
      await take(other);
      await faults.disconnect();
      await take(other);
      await faults.reconnect();
      await take(manager);
      await take(other);
    },
  }),

  conformanceCase('fencing/groups', {
    title: 'the locks of a group and of a batch have tokens that rise with those of single calls',
    needs: ['fencing'],
    async run({ manager, name }) {
      const names = [name('-a'), name('-b')];
      const tokens = new Map(names.map((one) => [one, new Rising()]));
      const add = (lease: Lease): void => granted(tokens.get(lease.name)).add(lease);
      for (let round = 0; round < 2; round++) {
        for (const one of names) {
          const lease = await manager.acquire(one, { waitMs: SOON_MS });
          add(lease);
          await lease.release();
        }
        const group = await manager.acquireAll(names, { waitMs: SOON_MS });
        for (const lease of group) add(lease);
        await group.release();
        const batch = await manager.tryAcquireEach(names);
        for (const lease of batch.values()) add(lease);
        assert.equal(await batch.releaseAll(), 2);
      }
    },
  }),

  conformanceCase('fencing/read-write', {
    title: 'write tokens rise; a read token is above every earlier write',
    needs: ['fencing', 'readWriteLocks'],
    async run({ manager, peer, lock }) {
      const writes = new Rising();
      const sides = [manager.readWriteLock(lock), (await peer()).readWriteLock(lock)];
      for (let i = 0; i < 6; i++) {
        const side = granted(sides[i % 2]);
        const write = await side.write.acquire({ waitMs: SOON_MS });
        writes.add(write);
        await write.release();
        const read = await granted(sides[(i + 1) % 2]).read.acquire({ waitMs: SOON_MS });
        assert.ok(read.fencingToken !== null && write.fencingToken !== null && read.fencingToken > write.fencingToken);
        await read.release();
      }
    },
  }),

  conformanceCase('fencing/permits', {
    title: 'permits have no token, because no order of theirs means anything',
    needs: ['semaphores'],
    async run({ manager, name }) {
      const permit = await manager.semaphore(name(), { permits: 2 }).acquire();
      assert.equal(permit.fencingToken, null);
      await permit.release();
    },
  }),

  conformanceCase('fencing/inspect', {
    title: 'inspect shows the token of the present holder',
    needs: ['fencing'],
    async run({ manager, peer, name }) {
      const lease = await manager.acquire(name(), HELD);
      const other = await peer();
      await eventually(
        'inspect shows the token',
        async () => (await other.inspect(lease.name)).holders[0]?.fencingToken === lease.fencingToken,
      );
      await lease.release();
    },
  }),
];

class Rising {
  #last: bigint | null = null;

  add(lease: Lease): void {
    const token = lease.fencingToken;
    if (typeof token !== 'bigint') assert.fail(`the token is ${String(token)}`);
    if (this.#last !== null) assert.ok(token > this.#last, `${token} comes after ${this.#last}`);
    this.#last = token;
  }
}
