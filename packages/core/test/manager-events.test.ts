import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import {
  LockClosedError,
  type LockEvent,
  LockLostError,
  LockTimeoutError,
  LockUnavailableError,
  type StoreCallEvent,
} from '@holdfast/core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createWorld, outcomeOf, waitings, type World } from './manager-world.js';

const types = ['waiting', 'granted', 'not-granted', 'renewed', 'renew-failed', 'lost', 'released', 'release-failed'] as const;
const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

function listen(type: LockEvent['type'], observer: (event: unknown) => unknown): void {
  subscribe(`holdfast:${type}`, observer);
  cleanups.push(() => unsubscribe(`holdfast:${type}`, observer));
}

describe('events', () => {
  it('tell a life of a lock in order, on the channels as by onEvent', async () => {
    const { clock, store, manager, peer, events } = createWorld({ ttlMs: 3_000 });
    const heard: LockEvent[] = [];
    for (const type of types) listen(type, (event) => heard.push(event as LockEvent));
    const held = await peer.acquire('x');
    const waiting = outcomeOf(manager.acquire('x'));
    await clock.advance(500);
    await held.release();
    await clock.settle();
    await waiting.value?.release();
    expect(await manager.tryAcquire('x')).not.toBeNull();
    expect(await peer.tryAcquire('x')).toBeNull();
    store.evict('x');
    await clock.advance(1_500);
    const mine = heard.filter((event) => event.label === 'mine');
    expect(mine).toEqual(events);
    expect(mine.map(({ type }) => type)).toEqual(['waiting', 'granted', 'released', 'granted', 'lost']);
    expect(mine[1]).toMatchObject({
      backend: 'memory',
      kind: 'lock',
      name: 'x',
      label: 'mine',
      waitedMs: 500,
      contended: true,
      fencingToken: waiting.value?.fencingToken,
    });
    expect(mine[2]).toMatchObject({ freed: true, heldMs: 0 });
    expect(mine[4]).toMatchObject({ reason: 'taken' });
    expect(mine.every(({ at }) => at > 1_600_000_000_000)).toBe(true);
    expect(heard.filter((event) => event.label === 'peer').map(({ type }) => type)).toEqual(['granted', 'released', 'not-granted']);
  });

  it('tell why a hold was not granted', async () => {
    const { clock, store, manager, peer, events } = createWorld();
    await peer.acquire('x');
    await manager.tryAcquire('x');
    outcomeOf(manager.acquire('x', { waitMs: 100 }));
    await clock.advance(100);
    const controller = new AbortController();
    outcomeOf(manager.acquire('x', { signal: controller.signal }));
    await clock.settle();
    controller.abort();
    await clock.settle();
    store.disconnect();
    outcomeOf(manager.tryAcquire('x'));
    await clock.settle();
    store.reconnect();
    outcomeOf(manager.acquire('x'));
    await clock.settle();
    await manager.close();
    const outcomes = events.flatMap((event) => (event.type === 'not-granted' ? [event.outcome] : []));
    expect(outcomes).toEqual(['busy', 'timeout', 'aborted', 'unavailable', 'closed']);
  });

  it.each(waitings)('say "aborted" of what its own signal has ended, whatever the reason of that signal ($waiting)', async ({ fair }) => {
    const where = { lockName: 'other', backend: 'memory' };
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const reasons: readonly unknown[] = [
      new LockLostError('lost', { ...where, reason: 'taken' }),
      new LockTimeoutError('late', { ...where, waitedMs: 5, holders: [] }),
      new LockClosedError('closed', where),
      new LockUnavailableError('away', { ...where, wasSent: false }),
      new LockUnavailableError('refused', { ...where, wasSent: false, retryable: false }),
      proxy,
    ];
    const ways: Record<string, (manager: World['manager'], signal: AbortSignal) => Promise<unknown>> = {
      acquire: (manager, signal) => manager.acquire('x', { signal }),
      'acquire, once': (manager, signal) => manager.acquire('x', { signal, waitMs: 0 }),
      tryAcquire: (manager, signal) => manager.tryAcquire('x', { signal }),
      acquireAll: (manager, signal) => manager.acquireAll(['x', 'y'], { signal }),
      tryAcquireEach: (manager, signal) => manager.tryAcquireEach(['x', 'y'], { signal }),
    };
    for (const [way, ask] of Object.entries(ways)) {
      for (const reason of reasons) {
        for (const isWaiting of [false, true]) {
          const { clock, manager, peer, events, isHeld } = createWorld({ fair });
          const held = isWaiting ? await peer.acquire('x') : null;
          const controller = new AbortController();
          const asked = outcomeOf(ask(manager, controller.signal));
          if (isWaiting) await clock.advance(10);
          controller.abort(reason);
          await clock.settle();
          // What asks once has its answer already.
          const isOver = isWaiting && (way.startsWith('try') || way.endsWith('once'));
          if (!isOver) expect([way, Object.is(asked.error, reason)]).toEqual([way, true]);
          const outcomes = events.flatMap((event) => (event.type === 'not-granted' ? [event.outcome] : []));
          if (!isOver) expect([way, new Set(outcomes)]).toEqual([way, new Set(['aborted'])]);
          await held?.release();
          await clock.settle();
          if (!isOver) expect([way, await isHeld('x')]).toEqual([way, false]);
        }
      }
    }
  });

  it('can be written as JSON and never carry the owner token', async () => {
    const { clock, store, manager, events } = createWorld({ ttlMs: 3_000 });
    const lease = await manager.acquire('x');
    store.failNext('renew');
    await clock.advance(1_500);
    store.failNext('release');
    outcomeOf(lease.release());
    await clock.advance(5_000);
    expect(events.map(({ type }) => type)).toEqual(['granted', 'renew-failed', 'renewed', 'release-failed']);
    const json = JSON.stringify(events);
    expect(json).toContain(`"fencingToken":"${lease.fencingToken}"`);
    expect(json).not.toMatch(/[0-9a-f]{32}/);
  });

  it('can be paired: those of one call have its request id, its mode and what contention it met', async () => {
    const { clock, manager, peer, events } = createWorld({ ttlMs: 3_000, fair: false });
    const held = await peer.acquire('x');
    const first = outcomeOf(manager.acquire('x'));
    const second = outcomeOf(manager.acquire('x'));
    await clock.advance(500);
    await held.release();
    await clock.advance(10);
    await first.value?.release();
    await clock.advance(10);
    await second.value?.release();
    const permits = await manager.semaphore('x', { permits: 3 }).acquire({ permits: 2 });
    await permits.release();
    expect(events.map((event) => (!('requestId' in event) ? null : [event.type, event.contended, event.mode, event.permits]))).toEqual([
      ['waiting', true, 'exclusive', 1],
      ['waiting', true, 'exclusive', 1],
      ['granted', true, 'exclusive', 1],
      ['released', true, 'exclusive', 1],
      ['granted', true, 'exclusive', 1],
      ['released', true, 'exclusive', 1],
      ['granted', false, 'permits', 2],
      ['released', false, 'permits', 2],
    ]);
    const ids = events.map((event) => ('requestId' in event ? event.requestId : null));
    expect(new Set(ids).size).toBe(3);
    for (const [a, b] of [
      [1, 2],
      [2, 3],
      [0, 4],
      [4, 5],
      [6, 7],
    ] as const)
      expect(ids[a]).toBe(ids[b]);
    expect(new Set(events.map(({ managerId }) => managerId))).toEqual(new Set([manager.id]));
    expect(peer.id).not.toBe(manager.id);
  });

  it('tell how much was left when a renewal was confirmed', async () => {
    const { clock, manager, events } = createWorld({ ttlMs: 3_000 });
    const lease = await manager.acquire('x');
    await clock.advance(1_100);
    await lease.extend(5_000);
    expect(events.slice(1).map((event) => event.type === 'renewed' && [event.remainingMs, event.ttlMs])).toEqual([
      [expect.closeTo(2_000, -2), 3_000],
      [expect.closeTo(2_900, -2), 5_000],
    ]);
    await lease.release();
  });

  it('tell of each call to the store on a channel of its own, and not by onEvent', async () => {
    const { clock, store, manager, events } = createWorld({ ttlMs: 3_000, fair: false, commandTimeoutMs: 500 });
    const calls: unknown[] = [];
    let last: StoreCallEvent | undefined;
    const listener = (event: unknown): void => {
      last = event as StoreCallEvent;
      const { operation, outcome, requests, code, durationMs, managerId } = last;
      expect(managerId).toBe(manager.id);
      calls.push([operation, outcome, requests, code, durationMs]);
    };
    subscribe('holdfast:store-call', listener);
    cleanups.push(() => unsubscribe('holdfast:store-call', listener));
    const map = await manager.tryAcquireEach(['a', 'b', 'c']);
    expect(last?.requestIds).toHaveLength(3);
    store.failNext('inspect');
    await manager.inspect('a').catch(() => {});
    await map[Symbol.asyncDispose]();
    store.disconnect();
    const tried = outcomeOf(manager.tryAcquire('d'));
    await clock.advance(500);
    expect(tried.code).toBe('LOCK_BACKEND_UNAVAILABLE');
    expect(calls.slice(0, 3)).toEqual([
      ['attempt', 'answered', 3, undefined, 0],
      ['inspect', 'failed', 1, 'LOCK_BACKEND_UNAVAILABLE', 0],
      ['release', 'answered', 3, undefined, 0],
    ]);
    expect(calls[3]).toMatchObject([
      'attempt',
      expect.stringMatching('failed|unanswered'),
      1,
      'LOCK_BACKEND_UNAVAILABLE',
      expect.any(Number),
    ]);
    expect(events.map(({ type }) => type)).not.toContain('store-call');
  });

  it('survive observers that throw or reject', async () => {
    const unhandled = vi.fn();
    process.on('unhandledRejection', unhandled);
    process.on('uncaughtException', unhandled);
    cleanups.push(() => {
      process.off('unhandledRejection', unhandled);
      process.off('uncaughtException', unhandled);
    });
    const told = vi.fn();
    for (const type of types) {
      listen(type, () => {
        throw new Error('observer');
      });
      listen(type, () => Promise.reject(new Error('observer')));
      listen(type, told);
    }
    for (const onEvent of [
      () => {
        throw new Error('observer');
      },
      () => Promise.reject(new Error('observer')),
    ]) {
      const { clock, manager } = createWorld();
      const { manager: talkative } = createWorld({ onEvent });
      const lease = await manager.acquire('x');
      const other = await talkative.acquire('x');
      expect([await lease.release(), await other.release()]).toEqual([true, true]);
      await clock.settle();
    }
    expect(told).toHaveBeenCalled();
    expect(channel('holdfast:granted').hasSubscribers).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(unhandled).not.toHaveBeenCalled();
  });
});

describe('what operators ask', () => {
  it('is answered with states that JSON can write', async () => {
    const { clock, manager, peer } = createWorld({ ttlMs: 3_000 });
    const lease = await manager.acquire('x');
    outcomeOf(peer.acquire('x'));
    await clock.settle();
    const state = await peer.inspect('x');
    expect(state).toMatchObject({ name: 'x', kind: 'lock', held: true, waiters: 1 });
    expect(state.holders).toMatchObject([
      { label: 'mine', mode: 'exclusive', permits: 1, remainingMs: 3_300, fencingToken: lease.fencingToken },
    ]);
    expect(JSON.parse(JSON.stringify(state))).toMatchObject({ holders: [{ fencingToken: String(lease.fencingToken) }] });
    const listed = [];
    for await (const each of peer.list({ prefix: 'x' })) listed.push(JSON.parse(JSON.stringify(each)));
    expect(listed).toMatchObject([{ name: 'x', kind: 'lock' }]);
  });

  it('is whether the store works, which never rejects', async () => {
    const { clock, store, manager } = createWorld();
    expect(await manager.checkHealth()).toMatchObject({ ok: true, backend: 'memory' });
    expect(store.size).toBe(0);
    store.disconnect({ silent: true });
    const report = outcomeOf(manager.checkHealth({ timeoutMs: 500 }));
    await clock.advance(500);
    expect(report.value).toMatchObject({ ok: false, latencyMs: 500, error: { code: 'LOCK_BACKEND_UNAVAILABLE' } });
  });

  it('is whether something was done already', async () => {
    const { clock, manager, peer } = createWorld();
    expect(await manager.marks?.set('done', { retentionMs: 1_000 })).toBe(true);
    expect([await peer.marks?.has('done'), await peer.marks?.set('done', { retentionMs: 9_000 })]).toEqual([true, false]);
    await clock.advance(1_000);
    expect(await peer.marks?.has('done')).toBe(false);
  });
});
