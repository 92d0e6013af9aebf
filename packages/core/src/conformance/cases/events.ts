import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { LockEvent, LockEventType, LockManager, ManagerOptions } from '../../index.js';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { delay, eventually, granted, HELD, isLost, rejectsWith, RUNS_OUT_MS, SHORT_TTL_MS, SOON_MS } from '../expectations.js';

/** What an observer hears, and that it can do no harm. */
export const eventCases: readonly ConformanceCase[] = [
  conformanceCase('events/story', {
    title: 'waiting, granted, released, lost and each way of not being granted are reported, in order',
    async run({ manager, peer, lock }) {
      const { events, options } = recorder();
      const observed = await peer({ ...options, label: 'observed' });
      const of = (type?: LockEventType): LockEvent[] =>
        events.filter((event) => event.name === lock && (type === undefined || event.type === type));

      const lease = await observed.acquire(lock);
      await lease.release();
      assert.deepEqual(types(of()), ['granted', 'released']);

      const hold = await manager.acquire(lock, HELD);
      assert.equal(await observed.tryAcquire(lock), null);
      await rejectsWith('LOCK_TIMEOUT', observed.acquire(lock, { waitMs: RUNS_OUT_MS }));
      const ended = new AbortController();
      const aborted = observed.acquire(lock, { signal: ended.signal }).catch(() => {});
      await eventually('both waits are reported', () => of('waiting').length >= 2);
      ended.abort();
      await aborted;
      await eventually('three refusals are reported', () => of('not-granted').length >= 3);
      assert.deepEqual(
        of('not-granted').map((event) => event.type === 'not-granted' && event.outcome),
        ['busy', 'timeout', 'aborted'],
      );

      const before = of('waiting').length;
      const waiting = observed.acquire(lock, { ttlMs: 1_200, waitMs: SOON_MS });
      await eventually('the wait is reported', () => of('waiting').length > before);
      await hold.release();
      const second = await waiting;
      const grant = granted(of('granted').at(-1));
      assert.ok(grant.type === 'granted' && grant.contended && grant.waitedMs >= 0 && grant.fencingToken === second.fencingToken);
      await manager.forceRelease(lock);
      await isLost(second, 1_150);
      await eventually('the loss is reported', () => of('lost').length === 1);
      await second.release();
      for (const event of of()) {
        assert.equal(event.backend, observed.backend);
        assert.equal(event.kind, 'lock');
        assert.equal(event.label, 'observed');
        assert.ok(Math.abs(event.at - Date.now()) < 60_000);
      }
    },
  }),

  conformanceCase('events/no-secrets', {
    title: 'no event carries an owner token, and every event can be turned into JSON',
    async run({ manager, peer, lock }) {
      const { events, options } = recorder();
      const observed = await peer(options);
      await observed.withLock(lock, () => {});
      const hold = await manager.acquire(lock, HELD);
      await observed.acquire(lock, { waitMs: 200 }).catch(() => {});
      await hold.release();
      const expired = await observed.acquire(lock, { ttlMs: SHORT_TTL_MS, renew: false, waitMs: SOON_MS });
      await isLost(expired, SHORT_TTL_MS + SOON_MS);
      if (observed.capabilities.semaphores) await observed.semaphore(lock, { permits: 2 }).withPermits(() => {});
      await observed.close();
      assert.ok(events.length >= 5);
      for (const event of events) assert.doesNotMatch(JSON.stringify(event), /[0-9a-f]{32}/i);
    },
  }),

  conformanceCase('events/channels', {
    title: 'the same events go over the diagnostics channels',
    async run({ peer, lock }) {
      const { events, options } = recorder();
      const observed = await peer(options);
      const overheard = overhear(observed, lock, ['waiting', 'granted', 'released']);
      try {
        await observed.withLock(lock, () => {});
        await eventually('the last was published', () => overheard.events.at(-1)?.type === 'released');
      } finally {
        overheard.stop();
      }
      assert.deepEqual(types(overheard.events), types(events.filter((event) => event.name === lock)));
    },
  }),

  conformanceCase('events/observers-that-fail', {
    title: 'an observer that throws or rejects hurts no lease and nobody else',
    async run({ manager, peer, name }) {
      const unhandled: unknown[] = [];
      const onUnhandled = (reason: unknown): void => void unhandled.push(reason);
      process.on('unhandledRejection', onUnhandled);
      process.on('uncaughtException', onUnhandled);
      try {
        const throwing = await peer({
          onEvent() {
            throw new Error('an observer that throws');
          },
        });
        const rejecting = await peer({ onEvent: () => Promise.reject(new Error('an observer that rejects')) });
        await Promise.all([throwing, rejecting].map((observed) => story(observed, manager, name())));
        await delay(20);
      } finally {
        process.off('unhandledRejection', onUnhandled);
        process.off('uncaughtException', onUnhandled);
      }
      assert.deepEqual(unhandled, []);
    },
  }),

  conformanceCase('events/renew-failed', {
    title: 'a renewal that fails is reported while the lease is still held, then the loss',
    faults: ['disconnect', 'reconnect'],
    async run({ manager, faults, name }) {
      // So long that no busy machine keeps the first renewal from its time.
      const ttlMs = 1_500;
      const lease = await manager.acquire(name(), { ttlMs, waitMs: SOON_MS });
      const overheard = overhear(manager, lease.name, ['renew-failed', 'lost']);
      try {
        await faults.disconnect();
        await isLost(lease, ttlMs + 1_500);
        await eventually('the loss is reported', () => overheard.events.at(-1)?.type === 'lost');
      } finally {
        overheard.stop();
        await faults.reconnect();
      }
      if (manager.capabilities.expiry === 'ttl') {
        const [first] = overheard.events;
        assert.ok(first?.type === 'renew-failed' && first.error.code === 'LOCK_BACKEND_UNAVAILABLE' && first.remainingMs >= 0);
      }
    },
  }),
];

function recorder(): { readonly events: LockEvent[]; readonly options: ManagerOptions } {
  const events: LockEvent[] = [];
  return { events, options: { onEvent: (event) => events.push(event) } };
}

/** What the manager publishes about a name. One that stands on other managers has them publish too, as other backends. */
function overhear(
  { backend }: LockManager,
  name: string,
  wanted: readonly LockEventType[],
): { readonly events: readonly LockEvent[]; stop(): void } {
  const events: LockEvent[] = [];
  const listen = (message: unknown): void => {
    const event = message as LockEvent;
    if (event.name === name && event.backend === backend) events.push(event);
  };
  for (const type of wanted) subscribe(`holdfast:${type}`, listen);
  return {
    events,
    stop() {
      for (const type of wanted) unsubscribe(`holdfast:${type}`, listen);
    },
  };
}

function types(events: readonly LockEvent[]): readonly LockEventType[] {
  return events.map((event) => event.type);
}

async function story(observed: LockManager, other: LockManager, name: string): Promise<void> {
  assert.equal(await observed.withLock(name, () => 1), 1);
  const hold = await other.acquire(name, HELD);
  assert.equal(await observed.tryAcquire(name), null);
  await rejectsWith('LOCK_TIMEOUT', observed.acquire(name, { waitMs: RUNS_OUT_MS }));
  await hold.release();
  const lease = await observed.acquire(name, { ttlMs: 1_200, waitMs: SOON_MS });
  await other.forceRelease(name);
  await isLost(lease, 1_150);
  assert.equal(await lease.release(), false);
}
