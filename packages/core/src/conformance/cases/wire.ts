import assert from 'node:assert/strict';
import { isLockError, type LockManager } from '../../index.js';
import { type ConformanceCase, conformanceCase, type World } from '../conformance-case.js';
import {
  delay,
  describe,
  HELD,
  isBusy,
  isFree,
  isLost,
  LONG_TTL_MS,
  Occupancy,
  rejectsWith,
  SOON_MS,
  within,
  worksAgain,
} from '../expectations.js';

/** Until a client has its connections and its session back, over a driver's own pauses. */
const BACK_MS = 12_000;
/** More waiters than any backend may have connections. */
const WAITERS = 45;
const MOST_CONNECTIONS = 8;

/** Faults between the driver and the server, on the suite's own wire: what a gate in front of the backend cannot show. */
export const wireCases: readonly ConformanceCase[] = [
  wireCase('takes-and-frees', 'over a slow wire locks are taken, excluded and handed over', {}, async ({ manager, peer, wire, name }) => {
    const other = await peer();
    for (const proxy of wire.proxies) proxy.delayMs = 20;
    const hold = await manager.acquire(name(), { ttlMs: LONG_TTL_MS, waitMs: SOON_MS });
    const sent = wire.proxies.reduce((sum, proxy) => sum + proxy.bytes.up, 0);
    assert.ok(sent > 0, 'setup() calls via and does not use the address that it got');
    await isBusy(other, hold.name);
    const next = other.acquire(hold.name, { ttlMs: LONG_TTL_MS, waitMs: 2 * SOON_MS });
    assert.equal(await hold.release(), true);
    assert.equal(await (await next).release(), true);
  }),

  wireCase(
    'silent',
    'on a wire that is silent both ways calls end as unavailable, the holder is notified, and it works again when the wire speaks',
    { commandTimeoutMs: 300 },
    async ({ manager, peer, wire, name }) => {
      const other = await peer();
      const lease = await manager.acquire(name(), { ttlMs: 900, waitMs: SOON_MS });
      wire.silence();
      await rejectsWith('LOCK_BACKEND_UNAVAILABLE', manager.tryAcquire(name()));
      await isLost(lease, 900 + SOON_MS);
      await wire.restore();
      await worksAgain(manager, name, BACK_MS);
      await isFree(other, lease.name, BACK_MS);
    },
  ),

  wireCase(
    'one-way',
    'a grant whose reply does not come, on a wire that still carries requests, is unavailable and leaves nothing',
    { commandTimeoutMs: 300 },
    async ({ manager, peer, wire, name }) => {
      const [lock, other] = [name(), await peer()];
      await worksAgain(manager, name, BACK_MS);
      wire.silence('down');
      await rejectsWith('LOCK_BACKEND_UNAVAILABLE', manager.tryAcquire(lock, HELD));
      await wire.restore();
      await isFree(other, lock, BACK_MS);
      await worksAgain(manager, name, BACK_MS);
    },
  ),

  wireCase(
    'cut-reply',
    'a reply that is cut in its middle neither ends the process nor leaves a lock',
    { commandTimeoutMs: 1_000 },
    async ({ manager, peer, wire, name }) => {
      const other = await peer();
      await worksAgain(manager, name, BACK_MS);
      for (let round = 0; round < 3; round += 1) {
        const lock = name();
        const cut = wire.cutNextReply();
        const outcome = await manager.tryAcquire(lock, HELD).catch((error: unknown) => error);
        await within('a reply to be cut', cut, SOON_MS);
        assert.notEqual(outcome, null, 'a reply that was cut was reported as busy');
        if (outcome instanceof Error) assert.ok(isLockError(outcome, 'LOCK_BACKEND_UNAVAILABLE'), describe(outcome));
        else await (outcome as Awaited<ReturnType<LockManager['acquire']>>).release().catch(() => false);
        await isFree(other, lock, BACK_MS);
        await worksAgain(manager, name, BACK_MS);
      }
    },
  ),

  wireCase('cut', 'connections that end while nobody uses them cost nothing but a new one', {}, async ({ manager, peer, wire, name }) => {
    const other = await peer();
    await worksAgain(manager, name, BACK_MS);
    wire.cut();
    await worksAgain(manager, name, BACK_MS);
    const waited = await other.acquire(name(), { ttlMs: LONG_TTL_MS, waitMs: SOON_MS });
    const waiting = manager.acquire(waited.name, { ttlMs: LONG_TTL_MS, waitMs: BACK_MS });
    await delay(50);
    wire.cut();
    await delay(50);
    assert.equal(await waited.release(), true);
    assert.equal(await (await within('the waiter whose connections ended', waiting, BACK_MS)).release(), true);
  }),

  wireCase(
    'late',
    'a request that a driver sent, and that arrives when its connection is long gone, leaves nothing',
    { commandTimeoutMs: 500 },
    async ({ manager, peer, wire, name }) => {
      const [lock, other] = [name(), await peer()];
      await worksAgain(manager, name, BACK_MS);
      const late = wire.late();
      const asked = manager.tryAcquire(lock, HELD).catch((error: unknown) => error);
      await late.taken();
      await late.cut();
      const outcome = await within('the call that is late', asked, SOON_MS);
      if (!(outcome instanceof Error)) await (outcome as Awaited<ReturnType<LockManager['tryAcquire']>>)?.release();
      await delay(1_000);
      await late.deliver();
      await isFree(other, lock, BACK_MS);
      await delay(100);
      await isFree(other, lock, SOON_MS);
    },
  ),

  wireCase('connections', `${WAITERS} waiters do not take a connection each`, {}, async ({ manager, peer, wire, name }) => {
    const other = await peer();
    const locks = Array.from({ length: WAITERS }, () => name());
    const held = await Promise.all(locks.map((lock) => other.acquire(lock, { ttlMs: LONG_TTL_MS, waitMs: SOON_MS })));
    const before = wire.connections();
    const waiting = locks.map((lock) => manager.acquire(lock, { ttlMs: LONG_TTL_MS, waitMs: 60_000 }).then((lease) => lease.release()));
    const more = (await settled(() => wire.connections())) - before;
    await Promise.all(held.map((lease) => lease.release()));
    await within('the waiters', Promise.all(waiting), 30_000);
    const most = MOST_CONNECTIONS * wire.proxies.length;
    assert.ok(more <= most, `${WAITERS} waiters opened ${more} connections; ${most} are enough`);
  }),
];

/** A number that rises for a while, once it has stayed the same for half a second. */
async function settled(count: () => number): Promise<number> {
  let last = count();
  for (let same = 0; same < 10; same += 1) {
    await delay(50);
    if (count() !== last) same = -1;
    last = count();
  }
  return last;
}

/** The same with several servers, each behind a wire of its own. */
export const severalServersCases: readonly ConformanceCase[] = [
  conformanceCase('nodes/tie', {
    title: 'many who ask several servers at the same moment all get their turn, also where the servers are even in number',
    faults: ['stopNode', 'startNode'],
    timeoutMs: 40_000,
    async run({ manager, peer, lock }) {
      const managers = [manager, await peer(), await peer(), await peer()];
      const inside = new Occupancy();
      for (let round = 0; round < 5; round += 1) {
        const turns = managers.map((one) =>
          one.withLock(lock, { ttlMs: LONG_TTL_MS, waitMs: 2 * SOON_MS }, () => inside.during(1, () => delay(1))),
        );
        await within('all who asked at once', Promise.all(turns), 2 * SOON_MS);
        const tries = await Promise.all(managers.map((one) => within('a single attempt', one.tryAcquire(lock, HELD))));
        for (const lease of tries) await lease?.release();
        assert.ok(tries.filter((lease) => lease !== null).length <= 1, 'two have the lock');
      }
      assert.equal(inside.most, 1);
      await isFree(manager, lock);
    },
  }),

  conformanceCase('nodes/permits', {
    title: 'servers that are reached in different orders grant no more permits together than there are',
    needs: ['semaphores'],
    faults: ['stopNode', 'startNode'],
    needsWire: true,
    timeoutMs: 40_000,
    async run({ manager, peer, wire, name }) {
      const managers = [manager, await peer(), await peer()];
      const inside = new Occupancy();
      const semaphore = name();
      const work = async (one: LockManager): Promise<void> => {
        for (let round = 0; round < 8; round += 1) {
          for (const [index, proxy] of wire.proxies.entries()) proxy.delayMs = ((round + index) % 3) * 4;
          await one
            .semaphore(semaphore, { permits: 2 })
            .withPermits({ ttlMs: LONG_TTL_MS, waitMs: 4 * SOON_MS }, () => inside.during(1, () => delay(3)));
        }
      };
      await Promise.all(managers.flatMap((one) => [work(one), work(one)]));
      assert.ok(inside.most <= 2, `${inside.most} had permits of a semaphore of two`);
    },
  }),
];

function wireCase(
  id: string,
  title: string,
  options: ConformanceCase['options'],
  run: (world: World<never>) => Promise<void>,
): ConformanceCase {
  return conformanceCase(`wire/${id}`, { title, options, needsWire: true, timeoutMs: 60_000, run });
}
