import { createLockManager, isLockError, type LockBackend, type LockErrorCode } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { createMapBackend, createMapStore } from './third-party/map-backend.js';

/** A backend that keeps nothing for longer than ten seconds, and remembers what it was asked for. */
function bounded(): { readonly backend: LockBackend<bigint>; readonly asked: number[] } {
  const asked: number[] = [];
  const inner = createMapBackend(createMapStore());
  const backend: LockBackend<bigint> = {
    ...inner,
    maxTtlMs: 10_000,
    attempt(requests, call) {
      asked.push(...requests.map(({ ttlMs }) => ttlMs));
      return inner.attempt(requests, call);
    },
    renew(holds, call) {
      asked.push(...holds.map(({ ttlMs }) => ttlMs));
      return inner.renew(holds, call);
    },
  };
  return { backend, asked };
}

const codeOf = async (call: Promise<unknown>): Promise<LockErrorCode | null> =>
  await call.then(
    () => null,
    (error: unknown) => (isLockError(error) ? error.code : null),
  );

describe('the longest ttl of a backend', () => {
  it('bounds the default, with its guard time, and is used as a whole', async () => {
    const { backend, asked } = bounded();
    await using manager = createLockManager(backend);
    await manager.acquire('a');
    expect(asked).toEqual([9_999]);
    expect(manager.leaseDefaults.ttlMs).toBe(9_090);
  });

  it('refuses a longer ttl before the store is asked: of the manager, of a call, of an extension', async () => {
    expect(() => createLockManager(bounded().backend, { ttlMs: 9_091 })).toThrow(expect.objectContaining({ option: 'ttlMs' }));
    const { backend, asked } = bounded();
    await using manager = createLockManager(backend, { ttlMs: 9_090 });
    expect(await codeOf(manager.acquire('a', { ttlMs: 9_091 }))).toBe('LOCK_INVALID_ARGUMENT');
    expect(await codeOf(manager.tryAcquire('a', { ttlMs: 60_000 }))).toBe('LOCK_INVALID_ARGUMENT');
    expect(await codeOf(manager.acquireAll(['a', 'b'], { ttlMs: 60_000 }))).toBe('LOCK_INVALID_ARGUMENT');
    expect(asked).toEqual([]);
    const lease = await manager.acquire('a', { ttlMs: 1_000 });
    expect(await codeOf(lease.extend(60_000))).toBe('LOCK_INVALID_ARGUMENT');
    expect(lease.isHeld).toBe(true);
    await lease.extend(9_090);
    expect(Math.max(...asked)).toBe(9_999);
  });
});
