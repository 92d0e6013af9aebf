import { createLockManager, type MeterOptions, meterLocks, type MetricAttributes } from '@holdfast/core';
import { createMemoryBackend } from '@holdfast/core/memory';
import { afterEach, describe, expect, it } from 'vitest';
import { createWorld, outcomeOf } from './manager-world.js';

const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

function meter(options?: MeterOptions) {
  const seen: (readonly [name: string, value: number, attributes: MetricAttributes])[] = [];
  const { close, oldestWaits } = meterLocks({ record: (...value) => void seen.push(value) }, options);
  cleanups.push(close);
  const of = (name: string): readonly number[] => seen.flatMap(([each, value]) => (each === name ? [value] : []));
  const sum = (name: string): number => of(name).reduce((a, b) => a + b, 0);
  return { seen, of, sum, close, oldestWaits };
}

describe('a meter of locks', () => {
  it('counts a wait, a hold, its renewal and its end', async () => {
    const { clock, manager, peer } = createWorld({ ttlMs: 3_000, fair: false });
    const { seen, of, sum } = meter({ isCounted: (id) => id === manager.id });
    const held = await peer.acquire('x');
    const waiting = outcomeOf(manager.acquire('x'));
    await clock.advance(500);
    expect([sum('lock.waiting'), sum('lock.held')]).toEqual([1, 0]);
    await held.release();
    await clock.advance(10);
    expect([sum('lock.waiting'), sum('lock.held')]).toEqual([0, 1]);
    await clock.advance(1_490);
    await waiting.value?.release();
    expect(sum('lock.held')).toBe(0);
    const attributes = { 'lock.system': 'memory', 'lock.kind': 'lock', 'lock.mode': 'exclusive' };
    expect(seen.find(([name]) => name === 'lock.acquire.duration')).toEqual([
      'lock.acquire.duration',
      0.5,
      { ...attributes, 'lock.outcome': 'granted', 'lock.contended': true },
    ]);
    expect(seen.find(([name]) => name === 'lock.hold.duration')).toEqual([
      'lock.hold.duration',
      1.5,
      { ...attributes, 'lock.end': 'released' },
    ]);
    expect(of('lock.renewal.margin')).toEqual([expect.closeTo(2 / 3, 1)]);
    expect(of('lock.store.duration').length).toBeGreaterThan(2);
  });

  it('says for how long the first waits, and 0 when nobody does any more', async () => {
    const manager = createLockManager(createMemoryBackend());
    const { oldestWaits } = meter({ isCounted: (id) => id === manager.id });
    expect(oldestWaits()).toEqual([]);
    const held = await manager.acquire('x');
    const began = Date.now();
    const waiting = manager.acquire('x');
    while (Date.now() < began + 20) await new Promise((resolve) => setImmediate(resolve));
    const [oldest] = oldestWaits();
    expect(oldest?.attributes).toEqual({ 'lock.system': 'memory', 'lock.kind': 'lock', 'lock.mode': 'exclusive' });
    expect(oldest?.seconds).toBeGreaterThan(0);
    expect(oldest?.seconds).toBeLessThanOrEqual((Date.now() - began) / 1000);
    await held.release();
    await (await waiting).release();
    expect(oldestWaits().map(({ seconds }) => seconds)).toEqual([0]);
    await manager.close();
  });

  it('counts losses with their reason, refusals with their outcome, permits by their number', async () => {
    const { clock, store, manager, peer } = createWorld({ ttlMs: 3_000 });
    const { seen, sum } = meter({ isCounted: (id) => id === manager.id });
    await manager.acquire('lost');
    store.evict('lost');
    await clock.advance(1_500);
    expect(seen).toContainEqual(['lock.lost', 1, expect.objectContaining({ 'lock.lost.reason': 'taken' })]);
    await peer.acquire('busy');
    await manager.tryAcquire('busy');
    expect(seen).toContainEqual(['lock.acquire.duration', 0, expect.objectContaining({ 'lock.outcome': 'busy', 'lock.contended': true })]);
    await manager.semaphore('s', { permits: 5 }).acquire({ permits: 3 });
    expect(sum('lock.held')).toBe(3);
  });

  it('takes back what still stands when it ends, and never counts below zero what began before it', async () => {
    const { manager } = createWorld();
    const before = await manager.acquire('before');
    const { sum, close } = meter({ isCounted: (id) => id === manager.id });
    await before.release();
    expect(sum('lock.held')).toBe(0);
    const during = await manager.acquire('during');
    expect(sum('lock.held')).toBe(1);
    close();
    expect(sum('lock.held')).toBe(0);
    await during.release();
    expect(sum('lock.held')).toBe(0);
  });

  it('has groups in place of names where it is asked to, and not more than a hundred', async () => {
    const { manager } = createWorld();
    const { seen } = meter({
      isCounted: (id) => id === manager.id,
      groupOf: (name) => {
        if (name === 'bad') throw new Error('no group');
        return name.replace(/:.*/, '');
      },
    });
    for (const name of ['order:1', 'order:2', 'bad', ...Array.from({ length: 120 }, (_, i) => `g${i}`)]) {
      // oxlint-disable-next-line no-await-in-loop
      await manager.withLock(name, () => {});
    }
    const groups = new Set(seen.flatMap(([, , attributes]) => attributes['lock.group'] ?? []));
    expect(groups.size).toBe(101);
    expect(groups).toContain('order');
    expect(groups).toContain('other');
    expect(JSON.stringify(seen)).not.toContain('order:1');
  });

  it('counts every manager where none is named, and hurts no lease when its sink throws', async () => {
    const { manager, peer } = createWorld();
    const { sum } = meter();
    const { close } = meterLocks({
      record() {
        throw new Error('exporter');
      },
    });
    await manager.acquire('a');
    await peer.acquire('b');
    expect(sum('lock.held')).toBe(2);
    close();
  });

  it('refuses options that it does not know', () => {
    expect(() => meterLocks({ record: () => {} }, { manager: 'x' } as MeterOptions)).toThrow(
      expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT' }),
    );
  });
});
