import { createLockManager, type LockBackend, type LockEvent, type LockManager } from '@holdfast/core';
import { createMemoryBackend } from '@holdfast/core/memory';
import { createManualClock, createTestMemoryStore, type ManualClock } from '@holdfast/core/testing';
import { describe, expect, it } from 'vitest';
import { outcomeOf } from './manager-world.js';

/** A manager on a whole backend of which some methods are written without care, as in plain JavaScript. */
function careless(broken: Record<string, unknown>): {
  readonly manager: LockManager;
  readonly clock: ManualClock;
  readonly events: LockEvent[];
} {
  const clock = createManualClock();
  const whole = createMemoryBackend({ store: createTestMemoryStore({ clock }), fair: false });
  const backend = {
    contract: 1,
    name: 'careless',
    capabilities: whole.capabilities,
    attempt: whole.attempt.bind(whole),
    renew: whole.renew.bind(whole),
    release: whole.release.bind(whole),
    inspect: whole.inspect.bind(whole),
    forceRelease: whole.forceRelease.bind(whole),
    checkHealth: whole.checkHealth.bind(whole),
    close: whole.close.bind(whole),
    ...broken,
  } as LockBackend;
  const events: LockEvent[] = [];
  return { clock, events, manager: createLockManager(backend, { clock, ttlMs: 3_000, onEvent: (event) => events.push(event) }) };
}

const thrower = (): never => {
  throw new TypeError('careless');
};

describe('a backend that answers without a promise', () => {
  it('is still understood', async () => {
    const { manager, clock } = careless({ release: () => [true], renew: () => [true] });
    const lease = await manager.acquire('x');
    await clock.advance(1_500);
    expect([lease.isHeld, lease.remainingMs]).toEqual([true, 2_500]);
    expect(await lease.release()).toBe(true);
    await manager.close();
  });
});

describe('a backend that throws', () => {
  it('rejects the call, which throws nothing itself', async () => {
    const { manager } = careless({ attempt: thrower, release: thrower, inspect: thrower });
    const calls = [() => manager.tryAcquire('x'), () => manager.inspect('x'), () => manager.acquire('x', { waitMs: 0 })];
    for (const call of calls) expect(await call().catch((error: unknown) => error)).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
  });

  it('in its release rejects the release, and is asked again in the background', async () => {
    let tries = 0;
    const { manager, clock } = careless({
      release: () => {
        tries += 1;
        throw new TypeError('careless');
      },
    });
    const lease = await manager.acquire('x');
    await expect(lease.release()).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    await clock.advance(500);
    expect(tries).toBeGreaterThan(2);
  });

  it('in its renewal has the hold renewed later', async () => {
    let fails = true;
    const clock = createManualClock();
    const whole = createMemoryBackend({ store: createTestMemoryStore({ clock }), fair: false });
    const renew: LockBackend['renew'] = (holds, call) => (fails ? thrower() : whole.renew(holds, call));
    const {
      manager,
      clock: moved,
      events,
    } = careless({ renew: (...args: Parameters<LockBackend['renew']>) => (fails ? renew(...args) : [true]) });
    const lease = await manager.acquire('x');
    await moved.advance(1_100);
    fails = false;
    await moved.advance(1_500);
    expect([lease.isHeld, events.some(({ type }) => type === 'renew-failed')]).toEqual([true, true]);
    await lease.release();
  });
});

describe('a backend that answers too few', () => {
  it('of several requests leaves the caller nothing', async () => {
    const { manager, clock } = careless({ attempt: async () => [{ granted: true, fencingToken: 1n }], release: async () => [true] });
    expect(await manager.tryAcquireEach(['a', 'b']).catch((error: unknown) => error)).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    await clock.advance(1_000);
    await manager.close();
  });

  it('of releases leaves the outcome unknown, not "freed"', async () => {
    const { manager } = careless({ release: async () => [] });
    const lease = await manager.acquire('x');
    await expect(lease.release()).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
  });

  it.each([undefined, null, [null]])('to a release %j has the release settle, and asked again', async (answer) => {
    let tries = 0;
    const { manager, clock } = careless({
      release: async () => {
        tries += 1;
        return answer;
      },
    });
    const lease = await manager.acquire('x');
    await expect(lease.release()).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    await clock.advance(500);
    expect(tries).toBeGreaterThan(2);
  });

  it('null for one of several requests has what the other was granted freed', async () => {
    const freed: string[] = [];
    const { manager, clock } = careless({
      attempt: async () => [{ granted: true, fencingToken: 1n }, null],
      release: async (holds: readonly { readonly name: string }[]) => {
        for (const { name } of holds) freed.push(name);
        return holds.map(() => true);
      },
    });
    expect(await manager.tryAcquireEach(['a', 'b']).catch((error: unknown) => error)).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    await clock.advance(1_000);
    expect([...new Set(freed)].sort()).toEqual(['a', 'b']);
    await manager.close();
  });

  it('of renewals neither ends a hold nor prolongs it', async () => {
    const { manager, clock } = careless({ renew: async () => [] });
    const lease = await manager.acquire('x');
    const extended = outcomeOf(lease.extend(9_000));
    await clock.advance(2_000);
    expect([extended.code, lease.isHeld, lease.remainingMs]).toEqual(['LOCK_BACKEND_UNAVAILABLE', true, 1_000]);
    await clock.advance(1_000);
    expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST', reason: 'deadline' });
  });
});
