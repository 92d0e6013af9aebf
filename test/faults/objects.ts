import type { AcquireOptions, Lease, LockManager, TryOptions } from '@holdfast/core';
import type { HoldMode } from './history.js';
import { objectId } from './verdict.js';

/** What one call asks for: one object, or several. */
export interface Way {
  readonly parts: readonly { readonly object: string; readonly mode: HoldMode; readonly permits: number }[];
  /** What it protects, if anything. */
  readonly register: string | null;
  /** Which share of calls asks once instead of waiting. */
  readonly tries: number;
  /** Resolves to a lease for each part. */
  acquire(options: AcquireOptions): Promise<readonly (Lease<bigint | null> | null)[]>;
  /** The same; null for a part that was busy. */
  tryAcquire(options: TryOptions): Promise<readonly (Lease<bigint | null> | null)[]>;
}

/** What callers choose from. */
export interface Ways {
  /** Every primitive that a manager has, as often as each is to be chosen. */
  readonly short: readonly Way[];
  /** What is held for long: by one caller of a process, as everybody else would soon stand behind it. */
  readonly long: Way;
}

const PERMITS = 3;
const TRIES = 0.15;
/** Rows of names that are taken with one call, so that grants are many; each row shares names with the next. */
const ROWS = Array.from({ length: 4 }, (_, row) => Array.from({ length: 8 }, (_name, index) => `shelf-${6 * row + index}`));

export function waysOf(target: string, manager: LockManager<bigint>): Ways {
  const one = (
    part: Way['parts'][number],
    from: {
      acquire(options: AcquireOptions): Promise<Lease<bigint | null>>;
      tryAcquire(options: TryOptions): Promise<Lease<bigint | null> | null>;
    },
    register: string | null = null,
  ): Way => ({
    parts: [part],
    register,
    tries: TRIES,
    acquire: async (options) => [await from.acquire(options)],
    tryAcquire: async (options) => [await from.tryAcquire(options)],
  });
  const lockPart = (name: string) => ({ object: objectId(target, 'lock', name), mode: 'exclusive', permits: 1 }) as const;
  const lock = (name: string, register: string | null = null): Way =>
    one(
      lockPart(name),
      { acquire: (options) => manager.acquire(name, options), tryAcquire: (options) => manager.tryAcquire(name, options) },
      register,
    );
  const semaphore = manager.semaphore('slots', { permits: PERMITS });
  const take = (permits: number): Way =>
    one(
      { object: objectId(target, 'semaphore', 'slots', PERMITS), mode: 'permits', permits },
      {
        acquire: (options) => semaphore.acquire({ ...options, permits }),
        tryAcquire: (options) => semaphore.tryAcquire({ ...options, permits }),
      },
    );
  const document = manager.readWriteLock('document');
  const side = (mode: 'read' | 'write'): Way =>
    one({ object: objectId(target, 'readWrite', 'document'), mode, permits: 1 }, document[mode]);
  const shelves = (names: readonly string[]): Way => ({
    parts: names.map(lockPart),
    register: null,
    tries: 0.9,
    acquire: async (options) => {
      const group = await manager.acquireAll(names, options);
      return names.map((name) => group.get(name));
    },
    tryAcquire: async (options) => {
      const leases = await manager.tryAcquireEach(names, options);
      return names.map((name) => leases.get(name) ?? null);
    },
  });
  const account = lock('account', objectId(target, 'register', 'account'));
  return {
    short: [lock('door'), account, account, take(1), take(2), side('read'), side('read'), side('write'), ...ROWS.map(shelves)],
    long: lock('vault'),
  };
}
