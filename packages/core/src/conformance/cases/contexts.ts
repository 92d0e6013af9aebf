import assert from 'node:assert/strict';
import { AsyncLocalStorage } from 'node:async_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Clock, createLockManager, type LockBackend, systemClock } from '../../index.js';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { delay, eventually, HELD, isLost, LONG_TTL_MS, SHORT_TTL_MS, SOON_MS } from '../expectations.js';

/** What a caller keeps in `AsyncLocalStorage`: a trace, a tenant, a request. */
interface Caller {
  readonly id: string;
}
const callers = new AsyncLocalStorage<Caller>();
const where = (): string => callers.getStore()?.id ?? 'none';
const inContextOf = <T>(id: string, task: () => T): T => callers.run({ id }, task);

/** Background work runs in no caller's async context and keeps none; what belongs to a lease runs in the one that took it. */
export const contextCases: readonly ConformanceCase[] = [
  conformanceCase('contexts/lease', {
    title: "a lease's signal and events run in the context that took it, no matter whose timer or release it was",
    async run({ peer, name }) {
      const events: string[] = [];
      const observed = await peer({ onEvent: (event) => void events.push(`${event.type} ${event.name} ${where()}`) });
      const [lost, released] = [name(), name()];
      const [first, second] = await Promise.all([
        inContextOf('A', () => observed.acquire(name(), { ttlMs: SHORT_TTL_MS, renew: false, waitMs: SOON_MS })),
        inContextOf('B', () => observed.acquire(lost, { ttlMs: SHORT_TTL_MS, renew: false, waitMs: SOON_MS })),
      ]);
      const heard: string[] = [];
      inContextOf('C', () => second.signal.addEventListener('abort', () => heard.push(where())));
      await Promise.all([isLost(first), isLost(second)]);
      await eventually('the listener has run', () => heard.length === 1);
      assert.deepEqual(heard, ['B'], 'the signal of a lease aborts in another context than that which took it');
      await eventually('the loss is reported', () => events.some((event) => event.startsWith(`lost ${lost}`)));
      const held = await inContextOf('A', () => observed.acquire(released, HELD));
      await inContextOf('C', () => held.release());
      await eventually('the release is reported', () => events.some((event) => event.startsWith(`released ${released}`)));
      const contextsOf = (start: string): readonly string[] =>
        events.filter((event) => event.startsWith(start)).map((event) => event.split(' ').at(-1) ?? '');
      assert.deepEqual(contextsOf(`lost ${lost}`), ['B']);
      assert.deepEqual(contextsOf(`granted ${released}`), ['A']);
      assert.deepEqual(contextsOf(`released ${released}`), ['A']);
    },
  }),

  conformanceCase('contexts/caller', {
    title: 'a call comes back in the context that made it, and a task runs in it, also after a wait',
    async run({ manager, peer, lock }) {
      const hold = await (await peer()).acquire(lock, HELD);
      const waiting = ['A', 'B'].map((id) =>
        inContextOf(id, async () => {
          const inTask = await manager.withLock(lock, { waitMs: 2 * SOON_MS }, async () => {
            await delay(1);
            return where();
          });
          return [inTask, where()];
        }),
      );
      await delay(50);
      await hold.release();
      assert.deepEqual(await Promise.all(waiting), [
        ['A', 'A'],
        ['B', 'B'],
      ]);
    },
  }),

  conformanceCase('contexts/background', {
    title: 'renewals, timers and what is asked of the store for many run in no context of a caller',
    faults: ['openBackend'],
    async run({ faults, lock }) {
      const seen = { calls: new Set<string>(), timers: new Set<string>() };
      const clock: Clock = {
        ...systemClock,
        setTimer: (delayMs, fire) =>
          systemClock.setTimer(delayMs, () => {
            seen.timers.add(where());
            fire();
          }),
      };
      let renewals = 0;
      const observed = observe(await faults.openBackend(), (call) => {
        seen.calls.add(`${call} ${where()}`);
        if (call === 'renew') renewals += 1;
      });
      const manager = createLockManager(observed, { clock, ttlMs: 1_500 });
      const lease = await inContextOf('A', () => manager.acquire(lock, { waitMs: SOON_MS }));
      const waiting = inContextOf('B', () => manager.acquire(lock, { ttlMs: LONG_TTL_MS, waitMs: 3 * SOON_MS }));
      await eventually('two renewals', () => renewals >= 2);
      await inContextOf('C', () => lease.release());
      await inContextOf('D', async () => (await waiting).release());
      await manager.close();
      assert.deepEqual(
        [...seen.calls].filter((call) => !call.endsWith(' none')),
        [],
        'the store was asked in the context of a caller',
      );
      assert.deepEqual(
        [...seen.timers].filter((id) => id !== 'none'),
        [],
        'a timer fired in the context of a caller',
      );
    },
  }),

  conformanceCase('contexts/kept-by-nobody', {
    title: 'what a request kept in its context is let go of when its leases have ended, though the manager lives on',
    async run({ manager, name, lock }) {
      const ended = await endedRequest((caller) =>
        callers.run(caller, async () => {
          await manager.withLock(lock, { waitMs: SOON_MS }, () => {});
          const waiting = await manager.acquire(lock, { waitMs: SOON_MS });
          await manager.tryAcquire(lock);
          await waiting.release();
        }),
      );
      const other = await inContextOf('another', () => manager.acquire(name(), { ttlMs: 900, waitMs: SOON_MS }));
      const collect = collector();
      await eventually('the context of a request that is over has been let go of', async () => {
        await delay(40);
        collect();
        return ended.deref() === undefined;
      });
      assert.equal(await other.release(), true);
    },
  }),
];

/** Runs a request in a frame of its own, so that nothing here keeps what was its own. */
async function endedRequest(run: (caller: Caller) => Promise<void>): Promise<WeakRef<Caller>> {
  const caller = { id: 'a request that is over' };
  await run(caller);
  return new WeakRef(caller);
}

function collector(): () => void {
  // Bun has none of V8's flags, and a function of its own.
  const { Bun: bun } = globalThis as { readonly Bun?: { gc(isSynchronous: boolean): void } };
  if (bun !== undefined) return () => bun.gc(true);
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}

type Observed = 'attempt' | 'renew' | 'release' | 'wait' | 'subscribe';
const OBSERVED: ReadonlySet<unknown> = new Set<Observed>(['attempt', 'renew', 'release', 'wait', 'subscribe']);

function observe(backend: LockBackend, note: (call: Observed) => void): LockBackend {
  return new Proxy(backend, {
    get(target, key) {
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      return (...args: readonly unknown[]): unknown => {
        if (OBSERVED.has(key)) note(key as Observed);
        return Reflect.apply(value, target, args);
      };
    },
  });
}
