import type { AcquireOptions, LockManager, PermitLease, Lease, TryOptions } from '@holdfast/core';
import type { HoldMode } from './history.js';
import { objectId } from './verdict.js';

/** One way of taking one object of a target. */
export interface Way {
  readonly object: string;
  readonly mode: HoldMode;
  readonly permits: number;
  /** What it protects, if anything. */
  readonly register: string | null;
  acquire(options: AcquireOptions): Promise<Lease | PermitLease>;
  tryAcquire(options: TryOptions): Promise<Lease | PermitLease | null>;
}

const PERMITS = 3;

/** Every primitive that a manager has, one or two names of each. */
export function waysOf(target: string, manager: LockManager<bigint>): Way[] {
  const lock = (name: string, register: string | null): Way => ({
    object: objectId(target, 'lock', name),
    mode: 'exclusive',
    permits: 1,
    register,
    acquire: (options) => manager.acquire(name, options),
    tryAcquire: (options) => manager.tryAcquire(name, options),
  });
  const semaphore = manager.semaphore('slots', { permits: PERMITS });
  const take = (permits: number): Way => ({
    object: objectId(target, 'semaphore', 'slots', PERMITS),
    mode: 'permits',
    permits,
    register: null,
    acquire: (options) => semaphore.acquire({ ...options, permits }),
    tryAcquire: (options) => semaphore.tryAcquire({ ...options, permits }),
  });
  const document = manager.readWriteLock('document');
  const side = (mode: 'read' | 'write'): Way => ({
    object: objectId(target, 'readWrite', 'document'),
    mode,
    permits: 1,
    register: null,
    acquire: (options) => document[mode].acquire(options),
    tryAcquire: (options) => document[mode].tryAcquire(options),
  });
  const account = lock('account', objectId(target, 'register', 'account'));
  return [lock('door', null), lock('gate', null), account, account, take(1), take(2), side('read'), side('read'), side('write')];
}
