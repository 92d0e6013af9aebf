import assert from 'node:assert/strict';
import type { LockManager, LockState } from '../../index.js';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { delay, eventually, granted, HELD, isFree, isLost, SOON_MS, whileSilent } from '../expectations.js';

/** By so much two clocks, read one after the other, may differ. */
const CLOCKS_MS = 50;

/** What an operator sees and does: inspect, list, forceRelease, checkHealth. */
export const inspectionCases: readonly ConformanceCase[] = [
  conformanceCase('inspection/lock', {
    title: 'inspect says whether a lock is held, by whom and for how long',
    async run({ manager, peer, lock }) {
      const other = await peer();
      assertFree(await other.inspect(lock), lock);
      const lease = await manager.acquire(lock, { ttlMs: 20_000, label: 'worker 7 ü' });
      const state = await other.inspect(lock);
      assert.equal(state.name, lock);
      assert.equal(state.kind, 'lock');
      assert.equal(state.held, true);
      assert.equal(state.holders.length, 1);
      const holder = granted(state.holders[0]);
      assert.equal(holder.mode, 'exclusive');
      assert.equal(holder.permits, 1);
      assert.ok(holder.label === null || holder.label === 'worker 7 ü', `the label is ${holder.label}`);
      assert.ok(
        holder.remainingMs === null ||
          (Number.isInteger(holder.remainingMs) && holder.remainingMs > 10_000 && holder.remainingMs <= 22_000),
        `remainingMs is ${holder.remainingMs}`,
      );
      assert.ok(JSON.parse(JSON.stringify(state)));
      await lease.release();
      assertFree(await other.inspect(lock), lock);
    },
  }),

  conformanceCase('inspection/held', {
    title: 'inspect says for how long each holder has held, where the store can tell, whatever it has renewed since',
    async run({ manager, peer, name }) {
      const base = name();
      const other = await peer();
      const taken = performance.now();
      await manager.acquire(base, { ttlMs: 600 });
      const { semaphores, readWriteLocks } = manager.capabilities;
      const semaphore = semaphores ? other.semaphore(base, { permits: 3 }) : null;
      if (semaphores) await manager.semaphore(base, { permits: 3 }).acquire({ permits: 2, ttlMs: 600 });
      const readWrite = readWriteLocks ? other.readWriteLock(base) : null;
      if (readWriteLocks) await manager.readWriteLock(base).read.acquire({ ttlMs: 600 });
      // Past the first renewal.
      await delay(400);
      for (const look of [() => other.inspect(base), () => semaphore?.inspect(), () => readWrite?.inspect()]) {
        const [holder] = (await look())?.holders ?? [];
        const mostMs = performance.now() - taken;
        const { heldMs = null } = holder ?? {};
        if (heldMs === null) continue;
        assert.ok(Number.isInteger(heldMs), `heldMs is ${heldMs}`);
        // Two clocks of one machine, and a store that counts in whole milliseconds.
        assert.ok(heldMs >= 0 && heldMs <= mostMs + CLOCKS_MS, `heldMs is ${heldMs}, of ${mostMs} at most`);
      }
    },
  }),

  conformanceCase('inspection/label', {
    title: 'labels come from the call, else from the manager, and decide nothing',
    async run({ peer, lock }) {
      const [first, second] = [await peer({ label: 'same' }), await peer({ label: 'same' })];
      const lease = await first.acquire(lock, HELD);
      assert.equal(await second.tryAcquire(lock), null, 'an equal label was taken for the same owner');
      const [holder] = (await second.inspect(lock)).holders;
      assert.ok(holder?.label === null || holder?.label === 'same');
      await lease.release();
      const own = await first.acquire(lock, { label: 'the call' });
      const [now] = (await second.inspect(lock)).holders;
      assert.ok(now?.label === null || now?.label === 'the call');
      await own.release();
    },
  }),

  conformanceCase('inspection/force', {
    title: 'forceRelease frees it no matter who has it, says whether somebody had, and the holder is notified',
    async run({ manager, peer, lock }) {
      const other = await peer();
      assert.equal(await other.forceRelease(lock), false);
      const lease = await manager.acquire(lock, { ttlMs: 1_200, waitMs: SOON_MS });
      assert.equal(await other.forceRelease(lock), true);
      assert.equal(await other.forceRelease(lock), false);
      assertFree(await other.inspect(lock), lock);
      await isFree(other, lock);
      const lost = await isLost(lease, 1_150);
      assert.ok(lost.reason === 'forced' || lost.reason === 'taken', `the reason is ${lost.reason}`);
      // What the holder learned it by, a renewal, has not taken it again.
      await eventually('nobody has it', async () => !(await other.inspect(lock)).held, 800);
      assert.equal(await other.forceRelease(lock), false);
    },
  }),

  conformanceCase('inspection/force-own', {
    title: 'forceRelease of a hold of the same manager notifies its holder too',
    async run({ manager, name }) {
      const lease = await manager.acquire(name(), { ttlMs: 1_200, waitMs: SOON_MS });
      assert.equal(await manager.forceRelease(lease.name), true);
      await isLost(lease, 1_150);
      assert.equal(await lease.release(), false);
    },
  }),

  conformanceCase('inspection/list', {
    title: 'list shows what is held of every kind, by exact prefix, and nothing that is free',
    needs: ['list'],
    async run({ manager, peer, name }) {
      const base = name();
      const other = await peer();
      const names = [`${base}/a`, `${base}/b*`, `${base}/b{x}`, `${base}*`, `${base.toUpperCase()}/a`];
      const leases = await other.tryAcquireEach(names, HELD);
      assert.equal(leases.size, names.length);
      const freed = await manager.acquire(`${base}/freed`);
      await freed.release();
      const kinds: string[] = ['lock'];
      if (manager.capabilities.semaphores) {
        await other.semaphore(`${base}/a`, { permits: 2 }).acquire(HELD);
        kinds.push('semaphore');
      }
      if (manager.capabilities.readWriteLocks) {
        await other.readWriteLock(`${base}/a`).read.acquire(HELD);
        kinds.push('read-write');
      }
      const all = await listed(manager, `${base}/`);
      assert.deepEqual(
        all.filter((state) => state.kind === 'lock').map((state) => state.name),
        names.slice(0, 3).sort(),
      );
      assert.deepEqual(
        all
          .filter((state) => state.name === `${base}/a`)
          .map((state) => state.kind)
          .sort(),
        kinds.sort(),
      );
      for (const state of all) assert.equal(state.held, true);
      // Glob characters of a prefix are letters.
      assert.deepEqual(
        (await listed(manager, `${base}/b*`)).map((state) => state.name),
        [`${base}/b*`],
      );
      assert.deepEqual(await listed(manager, `${base}/[ab]`), []);
      assert.deepEqual(await listed(manager, `${base}?`), []);
      const everything = await listed(manager, '');
      for (const one of names) assert.ok(everything.some((state) => state.name === one));
      assert.equal(await leases.releaseAll(), names.length);
      assert.deepEqual(
        (await listed(manager, `${base}/`)).filter((state) => state.kind === 'lock'),
        [],
      );
    },
  }),

  conformanceCase('inspection/list-stops', {
    title: 'a listing may be left in the middle',
    needs: ['list'],
    async run({ manager, name }) {
      const base = name();
      const leases = await manager.tryAcquireEach(Array.from({ length: 20 }, (_, i) => `${base}/${i}`));
      let seen = 0;
      for await (const state of manager.list({ prefix: base })) {
        assert.ok(state.name.startsWith(base));
        seen += 1;
        if (seen === 3) break;
      }
      assert.equal(seen, 3);
      assert.equal((await listed(manager, base)).length, 20);
      await leases.releaseAll();
    },
  }),

  conformanceCase('health/ok', {
    title: 'a healthy store is reported as that, with the time that it took, and nothing is left',
    async run({ manager }) {
      const health = await manager.checkHealth();
      assert.equal(health.ok, true, JSON.stringify(health));
      assert.equal(health.backend, manager.backend);
      assert.ok(health.latencyMs >= 0 && health.latencyMs < 10_000);
    },
  }),

  conformanceCase('health/down', {
    title: 'a store out of reach is reported, not thrown, and the next check is fine when it is back',
    faults: ['disconnect', 'reconnect'],
    options: { commandTimeoutMs: 300 },
    async run({ manager, faults }) {
      await faults.disconnect();
      const health = await manager.checkHealth({ timeoutMs: 1_000 });
      assert.ok(!health.ok && health.error.code === 'LOCK_BACKEND_UNAVAILABLE');
      JSON.stringify(health);
      await faults.reconnect();
      const end = performance.now() + 2 * SOON_MS;
      while (!(await manager.checkHealth()).ok) assert.ok(performance.now() < end, 'the store is back and still reported as down');
    },
  }),

  conformanceCase('health/silent', {
    title: 'a check keeps its own deadline while the store is silent',
    faults: ['freeze', 'thaw'],
    async run({ manager, faults, name }) {
      await isFree(manager, name());
      await whileSilent(faults, async () => {
        const start = performance.now();
        const health = await manager.checkHealth({ timeoutMs: 300 });
        assert.equal(health.ok, false);
        assert.ok(performance.now() - start < 300 + 1_500);
      });
    },
  }),
];

function assertFree(state: LockState, name: string): void {
  assert.equal(state.name, name);
  assert.equal(state.kind, 'lock');
  assert.equal(state.held, false);
  assert.deepEqual([...state.holders], []);
}

async function listed(manager: LockManager, prefix: string): Promise<readonly LockState[]> {
  const states: LockState[] = [];
  for await (const state of manager.list({ prefix })) states.push(state);
  return states.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}
