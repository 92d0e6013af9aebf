import {
  type AcquireOptions,
  type Hold,
  isLockError,
  type LockManager,
  type LockState,
  type Task,
  type TryOptions,
  type TryResult,
} from '../index.js';
import type { World } from './conformance-case.js';
import type { CapabilityName } from './levels.js';
import { granted, LONG_TTL_MS } from './expectations.js';

/** What every way of having something alone has in common. */
export interface Exclusive {
  acquire(options?: AcquireOptions): Promise<Hold>;
  tryAcquire(options?: TryOptions): Promise<Hold | null>;
  withLock<T>(options: AcquireOptions, task: Task<Hold, T>): Promise<T>;
  tryWithLock<T>(options: TryOptions, task: Task<Hold, T>): Promise<TryResult<T>>;
  inspect(): Promise<LockState>;
  forceRelease(): Promise<boolean>;
}

/**
 * A primitive seen as a lock. What holds of a lock holds of the write side of a read/write lock, of a semaphore of one,
 * of the last permit of five and of a pair of locks; running the same cases on all of them is how a difference shows.
 */
export interface Primitive {
  readonly id: string;
  readonly title: string;
  readonly needs: readonly CapabilityName[];
  /** Whether `forceRelease` frees exactly the one holder. */
  readonly forcible: boolean;
  /** Called once for each name, before anybody uses it. */
  prepare(peer: LockManager, name: string): Promise<void>;
  of(manager: LockManager, name: string): Exclusive;
}

const nothing = async (): Promise<void> => {};

export const primitives: readonly Primitive[] = [
  {
    id: 'lock',
    title: 'a lock',
    needs: [],
    forcible: true,
    prepare: nothing,
    of: (manager, name) => ({
      acquire: (options) => manager.acquire(name, options),
      tryAcquire: (options) => manager.tryAcquire(name, options),
      withLock: (options, task) => manager.withLock(name, options, task),
      tryWithLock: (options, task) => manager.tryWithLock(name, options, task),
      inspect: () => manager.inspect(name),
      forceRelease: () => manager.forceRelease(name),
    }),
  },
  {
    id: 'write-lock',
    title: 'the write side of a read/write lock',
    needs: ['readWriteLocks'],
    forcible: true,
    prepare: nothing,
    of(manager, name) {
      const lock = manager.readWriteLock(name);
      return {
        acquire: (options) => lock.write.acquire(options),
        tryAcquire: (options) => lock.write.tryAcquire(options),
        withLock: (options, task) => lock.write.withLock(options, task),
        tryWithLock: (options, task) => lock.write.tryWithLock(options, task),
        inspect: () => lock.inspect(),
        forceRelease: () => lock.forceRelease(),
      };
    },
  },
  {
    id: 'semaphore-of-1',
    title: 'a semaphore of one permit',
    needs: ['semaphores'],
    forcible: true,
    prepare: nothing,
    of: (manager, name) => permitAsLock(manager, name, 1),
  },
  {
    id: 'last-permit-of-5',
    title: 'the last permit of five',
    needs: ['semaphores'],
    forcible: false,
    async prepare(peer, name) {
      granted(await peer.semaphore(name, { permits: 5 }).tryAcquire({ permits: 4, ttlMs: LONG_TTL_MS }));
    },
    of: (manager, name) => permitAsLock(manager, name, 5),
  },
  {
    id: 'pair',
    title: 'a group of two locks',
    needs: [],
    forcible: true,
    prepare: nothing,
    of: pairAsLock,
  },
];

/** One fresh name of a primitive, seen by the manager and by a peer. */
export interface ExclusiveWorld {
  readonly world: World<never>;
  readonly name: string;
  readonly mine: Exclusive;
  readonly theirs: Exclusive;
}

export async function openExclusive(world: World<never>, primitive: Primitive): Promise<ExclusiveWorld> {
  const name = world.name();
  const peer = await world.peer();
  await primitive.prepare(peer, name);
  return { world, name, mine: primitive.of(world.manager, name), theirs: primitive.of(peer, name) };
}

function permitAsLock(manager: LockManager, name: string, permits: number): Exclusive {
  const semaphore = manager.semaphore(name, { permits });
  return {
    acquire: (options) => semaphore.acquire(options),
    tryAcquire: (options) => semaphore.tryAcquire(options),
    withLock: (options, task) => semaphore.withPermits(options, task),
    tryWithLock: (options, task) => semaphore.tryWithPermits(options, task),
    inspect: () => semaphore.inspect(),
    forceRelease: () => semaphore.forceRelease(),
  };
}

function pairAsLock(manager: LockManager, name: string): Exclusive {
  // The order of the caller must not matter, so two managers ask in different ones.
  const names = Math.random() < 0.5 ? [name, `${name}-second`] : [`${name}-second`, name];
  const busyAsNull = async <T>(attempt: Promise<T>): Promise<T | null> => {
    try {
      return await attempt;
    } catch (error) {
      if (isLockError(error, 'LOCK_TIMEOUT')) return null;
      throw error;
    }
  };
  return {
    acquire: (options) => manager.acquireAll(names, options),
    tryAcquire: (options) => busyAsNull(manager.acquireAll(names, { ...options, waitMs: 0 })),
    withLock: (options, task) => manager.withAll(names, options, task),
    async tryWithLock(options, task) {
      const run = await busyAsNull(manager.withAll(names, { ...options, waitMs: 0 }, async (hold) => ({ value: await task(hold) })));
      return run === null ? { acquired: false } : { acquired: true, value: run.value };
    },
    inspect: () => manager.inspect(name),
    async forceRelease() {
      const freed = await Promise.all(names.map((one) => manager.forceRelease(one)));
      return freed.every((one) => one);
    },
  };
}
