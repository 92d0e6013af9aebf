import { createLockManager, type LockBackend } from '@holdfast/core';
import { createMemoryBackend } from '@holdfast/core/memory';
import { createManualClock, createTestMemoryStore } from '@holdfast/core/testing';
import { describe, expect, it } from 'vitest';

const OWNER = '0'.repeat(32);
/** Nobody is notified of a release or an expiry. As with a table in PostgreSQL, who waits is woken every so often; or else never. */
const [WAKE_MS, NEVER_MS] = [1_300, 2 ** 31 - 1];

interface Outcome {
  /** How long after the expiry of the hold the waiter had the lock. */
  readonly lateMs: number;
  /** How often the waiter asked in each ten seconds before. */
  readonly asked: readonly number[];
}

/** A waiter behind a hold that is renewed for so long, and then never again. @param wakeMs how often the waiter is woken */
async function waitBehind(ttlMs: number, renewedMs: number, wakeMs: number): Promise<Outcome> {
  const clock = createManualClock();
  const store = createTestMemoryStore({ clock });
  const whole = createMemoryBackend({ store, fair: false });
  const call = { timeoutMs: 1_000, signal: new AbortController().signal, clock };
  const holder = { name: 'x', owner: OWNER, mode: 'exclusive', label: '', ttlMs } as const;
  const times: number[] = [];
  const backend = new Proxy(whole, {
    get(target, property) {
      if (property === 'attempt') {
        return (...args: Parameters<LockBackend['attempt']>) => {
          times.push(clock.now());
          return target.attempt(...args);
        };
      }
      if (property === 'subscribe') {
        return (_: unknown, wake: () => void) => {
          let timer = clock.setTimer(wakeMs, function again() {
            timer = clock.setTimer(wakeMs, again);
            wake();
          });
          return { close: () => timer.cancel() };
        };
      }
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  const manager = createLockManager(backend, { clock });
  const other = createMemoryBackend({ store: store.peer(), fair: false });
  const startedAt = clock.now();
  await other.attempt([holder], call);
  let expiresAt = startedAt + ttlMs;
  let grantedAt: number | null = null;
  const waiting = manager.acquire('x').then((lease) => {
    grantedAt = clock.now();
    return lease.release();
  });
  while (grantedAt === null && clock.now() - startedAt < 200_000) {
    await clock.advance(10);
    const dueMs = Math.ceil(ttlMs / 3 / 10) * 10;
    if (clock.now() - startedAt <= renewedMs && (clock.now() - startedAt) % dueMs === 0) {
      await other.renew([holder], call);
      expiresAt = clock.now() + ttlMs;
    }
  }
  await waiting;
  await manager.close();
  const asked: number[] = [];
  for (let from = startedAt; from + 10_000 <= expiresAt; from += 10_000)
    asked.push(times.filter((at) => at >= from && at < from + 10_000).length);
  return { lateMs: (grantedAt ?? Number.POSITIVE_INFINITY) - expiresAt, asked };
}

describe('a waiter behind a holder that has died', () => {
  it.each([2_500, 3_000, 4_000, 5_000, 30_000, 31_000])('asks as soon as a hold of %d ms has expired', async (ttlMs) => {
    for (const renewedMs of [0, 3 * ttlMs]) {
      const { lateMs } = await waitBehind(ttlMs, renewedMs, WAKE_MS);
      // By the steps in which the test moves the clock.
      expect(lateMs).toBeGreaterThanOrEqual(0);
      expect(lateMs).toBeLessThanOrEqual(50);
    }
  });

  it.each([300, 600, 900, 1_200])('asks less than once a second while a hold of %d ms is renewed', async (ttlMs) => {
    const { asked } = await waitBehind(ttlMs, 60_000, NEVER_MS);
    const [, ...later] = asked;
    expect(later.length).toBeGreaterThan(3);
    for (const count of later) expect(count).toBeLessThanOrEqual(Math.ceil(10_000 / 1_100));
  });
});
