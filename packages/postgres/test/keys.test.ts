import { createLockManager, type LockManager } from '@holdfast/core';
import { createPostgresBackend } from '@holdfast/postgres';
import { newName } from '@holdfast/test/backend';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { KeyRing } from '../src/advisory/key-ring.js';
import { LockKeys } from '../src/advisory/lock-keys.js';
import { usePostgres } from './postgres-harness.js';

const postgres = usePostgres();
const open: LockManager[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((locks) => locks.close()));
});

function manager(keyOf: (name: string) => bigint | undefined): LockManager {
  const locks = createLockManager(createPostgresBackend({ connectionString: postgres.server.url, keyOf }));
  open.push(locks);
  return locks;
}

describe('keyOf', () => {
  it('names that are given one key and nest do not wait for themselves, and still exclude others', async () => {
    const keyOf = (name: string): bigint | undefined => (name.startsWith('same') ? 42n : undefined);
    const [mine, theirs] = [manager(keyOf), manager(keyOf)];
    await mine.withLock('same-a', { waitMs: 5_000 }, async (outer) => {
      await mine.withLock('same-b', { waitMs: 5_000 }, async (inner) => {
        expect(inner.fencingToken).toBeGreaterThan(outer.fencingToken ?? 0n);
        expect(await theirs.tryAcquire('same-b')).toBe(null);
        expect(await theirs.tryAcquire('same-a')).toBe(null);
      });
      // The inner release must not take the key from under the outer one.
      expect(await theirs.tryAcquire('same-a')).toBe(null);
      await outer.extend();
      expect(outer.isHeld).toBe(true);
    });
    const next = await theirs.acquire('same-b', { waitMs: 5_000 });
    expect(await next.release()).toBe(true);
  });

  it('keeps names apart that would share a key', async () => {
    const keyOf = (name: string): bigint => (name === 'first' ? -1n : 2n ** 63n - 1n);
    const [mine, theirs] = [manager(keyOf), manager(keyOf)];
    const first = await mine.acquire('first');
    const second = await theirs.acquire('second');
    expect(await mine.tryAcquire('second')).toBe(null);
    expect([await first.release(), await second.release()]).toEqual([true, true]);
  });

  it('lets another program’s lock and ours exclude each other', async () => {
    const locks = manager(() => 7_777n);
    const other = new pg.Client({ connectionString: postgres.server.url });
    await other.connect();
    await other.query('select pg_advisory_lock(7777)');
    expect(await locks.tryAcquire('migrations')).toBe(null);
    expect(await locks.inspect('migrations')).toMatchObject({ held: true, holders: [{ label: null }] });
    await expect(locks.forceRelease('migrations')).rejects.toThrow(/pg_terminate_backend\(\d+\)/);
    await other.query('select pg_advisory_unlock(7777)');
    const lease = await locks.acquire('migrations', { waitMs: 5_000 });
    const { rows } = await other.query<{ readonly free: boolean }>('select pg_try_advisory_lock(7777) as free');
    expect(rows).toEqual([{ free: false }]);
    await lease.release();
    await other.end();
  });

  it('that answers what is no key makes the call fail, and nothing else', async () => {
    const locks = manager((name) => (name === 'bad' ? 2n ** 63n : undefined));
    await expect(locks.tryAcquire('bad')).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: false });
    expect(await (await locks.tryAcquire(newName()))?.release()).toBe(true);
  });
});

describe('keys', () => {
  it('differ by namespace, kind and name, whatever is in them', () => {
    const names = ['a', 'b', 'a:b', 'a/b', 'ü', 'u\u0308', ' a', '', '__proto__', 'x'.repeat(512)];
    const seen = new Set<bigint>();
    for (const namespace of ['', 'a', 'a:']) {
      const keys = new LockKeys(namespace, () => undefined);
      for (const kind of ['lock', 'semaphore', 'read-write'] as const) {
        for (const name of names) {
          const { main, announcement, gate, readers } = keys.of(kind, name);
          for (const key of [main, announcement, gate, readers]) {
            expect(BigInt.asIntN(64, key)).toBe(key);
            seen.add(key);
          }
          expect(keys.of(kind, name).main).toBe(main);
        }
      }
    }
    expect(seen.size).toBe(3 * 3 * names.length * 4);
  });

  it('are summed as the server sums them, in every order', () => {
    const ring = new KeyRing();
    const keys = [1n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 4_294_967_296n];
    for (const key of keys) ring.add(key, 'exclusive');
    for (const key of [...keys, 1n]) ring.add(key, 'shared');
    expect(ring.sums.count).toBe(10);
    for (const key of [...keys].reverse()) for (const mode of ['shared', 'exclusive', 'shared'] as const) ring.remove(key, mode);
    expect([[...ring.entries()], ring.sums]).toEqual([[], { count: 0, high: 0, low: 0 }]);
  });
});
