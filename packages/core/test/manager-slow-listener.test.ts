import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { LockEvent } from '@holdfast/core';
import { afterEach, describe, expect, it } from 'vitest';
import { createWorld, outcomeOf, type World } from './manager-world.js';

/** For so long a listener keeps the event loop with each event. */
const SLOW_MS = 50;
/** With so many leases it keeps the event loop for two thirds of their ttl, once they all are renewed. */
const LEASES = 40;
const TTL_MS = 3_000;

const EVENTS = [
  'waiting',
  'granted',
  'not-granted',
  'renewed',
  'renew-failed',
  'lost',
  'released',
  'release-failed',
  'store-call',
] as const;
const STEPS = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'] as const;
const ways: Readonly<Record<string, readonly string[]>> = {
  'by onEvent': [],
  'on the channels of events': EVENTS.map((type) => `holdfast:${type}`),
  'on the tracing channels': ['acquire', 'hold'].flatMap((name) => STEPS.map((step) => `tracing:holdfast:${name}:${step}`)),
};

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** A manager whose observers are slow, and for how long they have kept the event loop. */
function createSlowWorld(channels: readonly string[]): World & { readonly blockedMs: () => number; readonly lost: readonly string[] } {
  let [blockedMs, isReady] = [0, false];
  const lost: string[] = [];
  const world: World = createWorld({
    ttlMs: TTL_MS,
    onEvent: (event: LockEvent) => {
      if (event.type === 'lost') lost.push(event.name);
      if (channels.length === 0) slow();
    },
  });
  const slow = (): void => {
    if (!isReady) return;
    blockedMs += SLOW_MS;
    world.clock.block(SLOW_MS);
  };
  for (const channel of channels) {
    subscribe(channel, slow);
    cleanups.push(() => unsubscribe(channel, slow));
  }
  isReady = true;
  return { ...world, blockedMs: () => blockedMs, lost };
}

describe.each(Object.keys(ways))('a listener that takes 50 ms for each event (%s)', (way) => {
  it('costs no lease, for as long as all that it takes together is less than the ttl', async () => {
    const { clock, manager, blockedMs, lost } = createSlowWorld(ways[way] ?? []);
    const names = Array.from({ length: LEASES }, (_, index) => `x${index}`);
    const leases = await manager.tryAcquireEach(names);
    expect(leases.size).toBe(LEASES);
    await clock.advance(10 * TTL_MS);
    expect(blockedMs()).toBeGreaterThan(0);
    expect(lost).toEqual([]);
    for (const lease of leases.values()) expect(lease.isHeld).toBe(true);
    const released = await Promise.all([...leases.values()].map((lease) => lease.release()));
    expect(released).not.toContain(false);
  });

  it('delays a wait and a release by no more than it takes itself', async () => {
    const { clock, manager, peer, blockedMs } = createSlowWorld(ways[way] ?? []);
    const held = await peer.acquire('y');
    const waiting = outcomeOf(manager.acquire('y', { waitMs: 60_000 }));
    await clock.advance(500);
    const [from, blocked] = [clock.now(), blockedMs()];
    const freed = outcomeOf(held.release());
    while (waiting.status === 'pending' || freed.status === 'pending') {
      // oxlint-disable-next-line no-await-in-loop
      await clock.settle();
      expect(clock.now() - from).toBeLessThanOrEqual(blockedMs() - blocked);
    }
    expect([waiting.value?.isHeld, freed.value]).toEqual([true, true]);
    await waiting.value?.release();
  });
});
