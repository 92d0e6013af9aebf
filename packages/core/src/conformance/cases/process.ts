import assert from 'node:assert/strict';
import type { ManagerOptions } from '../../index.js';
import { type ConformanceCase, conformanceCase, type World } from '../conformance-case.js';
import { delay, granted, HELD, isBusy, isFree, LONG_TTL_MS, SOON_MS, within } from '../expectations.js';
import { ClientProcess } from '../process/client-process.js';

const HOUR_MS = 3_600_000;
/** Of a hold that is to expire by itself, on a machine that starts processes. */
const TTL_MS = 3_000;
const START_MS = 30_000;
/** Within this the session of a dead client has ended, or its hold has expired. */
const DEAD_MS = 30_000;
/** Of a process that nothing keeps, on a busy machine; timers that keep it do so for longer. */
const ENDS_MS = 5_000;
/** For first contacts while processes start: nobody means to see how long that takes. */
const PATIENT: ManagerOptions = { commandTimeoutMs: 10_000, unavailableAfterMs: 30_000 };

type ProcessWorld = World<'otherProcess'> & { start(options?: ManagerOptions, shiftMs?: number): Promise<ClientProcess> };

/** Clients in processes of their own: with a wrong clock, killed, stopped, and with nothing left to do. */
export const processCases: readonly ConformanceCase[] = [
  ...(['ahead', 'behind'] as const).map((direction) =>
    processCase(
      `clock-${direction}`,
      `a process whose wall clock is an hour ${direction} takes no hold of others, and others take none of its`,
      async ({ manager, name, start }) => {
        const wrong = await start({}, direction === 'ahead' ? HOUR_MS : -HOUR_MS);
        const mine = await manager.acquire(name(), { ttlMs: LONG_TTL_MS, waitMs: SOON_MS });
        assert.equal(await wrong.tryAcquire(mine.name, HELD), null, 'a hold of another was over by the wrong clock');
        const kept = name();
        const theirs = await wrong.acquire(kept, { ttlMs: LONG_TTL_MS, waitMs: SOON_MS });
        await isBusy(manager, kept);
        assert.equal((await manager.inspect(kept)).held, true, 'a hold that was taken by a wrong clock does not show');
        assert.equal(mine.isHeld, true);
        const brief = name();
        const passing = await wrong.acquire(brief, { ttlMs: TTL_MS, renew: false, waitMs: SOON_MS });
        const next = await manager.acquire(brief, { waitMs: TTL_MS + 2 * SOON_MS });
        assert.equal(await passing.isHeld(), false, 'two believe in the lock');
        assert.equal(await next.release(), true);
        assert.deepEqual([await theirs.release(), await mine.release()], [true, true]);
        await isFree(manager, kept);
      },
    ),
  ),

  processCase('killed', 'the lock of a process that was killed is free soon, and not before its hold or session is over', async (world) => {
    const { manager, name, start } = world;
    const lock = name();
    const client = await start();
    await client.acquire(lock, { ttlMs: TTL_MS, waitMs: SOON_MS });
    await client.kill();
    const next = await manager.acquire(lock, { waitMs: DEAD_MS });
    assert.equal(await next.release(), true);
  }),

  processCase('stopped', 'a process that stood still for longer than its hold finds the hold lost when it goes on', async (world) => {
    const { manager, name, start } = world;
    const lock = name();
    const client = await start();
    const theirs = await client.acquire(lock, { ttlMs: TTL_MS, waitMs: SOON_MS });
    client.stop();
    const next = await manager.acquire(lock, { ttlMs: LONG_TTL_MS, waitMs: DEAD_MS });
    client.continue();
    assert.equal(await theirs.isHeld(), false, 'two believe in the lock');
    // Whatever it had under way when it stopped arrives now.
    await theirs.release().catch(() => false);
    await delay(200);
    assert.equal(next.isHeld, true);
    await isBusy(manager, lock);
    assert.equal(await next.release(), true);
  }),

  processCase('ends', 'a held lease, its renewal and its connections do not keep a process that has nothing else to do', async (world) => {
    const { manager, name, start } = world;
    const [kept, waited] = [name(), name()];
    const busy = await manager.acquire(waited, { ttlMs: LONG_TTL_MS, waitMs: SOON_MS });
    const client = await start();
    granted(await client.tryAcquire(kept, HELD));
    // A wait that is over leaves its subscription for a while.
    await client.acquire(waited, { waitMs: 100 }).catch(() => null);
    await client.leave();
    await within('the end of a process that nothing keeps', client.ended, ENDS_MS);
    await busy.release();
  }),
];

function processCase(id: string, title: string, run: (world: ProcessWorld) => Promise<void>): ConformanceCase {
  return conformanceCase(`process/${id}`, {
    title,
    faults: ['otherProcess'],
    timeoutMs: 90_000,
    async run(world) {
      const started: ClientProcess[] = [];
      try {
        await run({
          ...world,
          start: async (options = {}, shiftMs = 0) => {
            const client = await ClientProcess.start(await world.faults.otherProcess(), { ...PATIENT, ...options }, shiftMs);
            started.push(client);
            await (await client.acquire(world.name(), { ttlMs: LONG_TTL_MS, waitMs: START_MS })).release();
            return client;
          },
        });
      } finally {
        await Promise.all(started.map((client) => client.kill()));
      }
    },
  });
}
