import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { LockEvent } from '@holdfast/core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createWorld, outcomeOf } from './manager-world.js';

const types = ['waiting', 'granted', 'not-granted', 'renew-failed', 'lost', 'released', 'release-failed'] as const;
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

  it('can be written as JSON and never carry the owner token', async () => {
    const { clock, store, manager, events } = createWorld({ ttlMs: 3_000 });
    const lease = await manager.acquire('x');
    store.failNext('renew');
    await clock.advance(1_500);
    store.failNext('release');
    outcomeOf(lease.release());
    await clock.advance(5_000);
    expect(events.map(({ type }) => type)).toEqual(['granted', 'renew-failed', 'release-failed']);
    const json = JSON.stringify(events);
    expect(json).toContain(`"fencingToken":"${lease.fencingToken}"`);
    expect(json).not.toMatch(/[0-9a-f]{32}/);
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
