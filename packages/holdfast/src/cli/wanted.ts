import type { AcquireOptions, Lease, LockKind, LockManager, Task } from '@holdfast/core';
import { InvalidArgumentError } from 'commander';

/** Permits of a semaphore: how many of how many. */
export interface PermitShare {
  readonly permits: number;
  readonly limit: number;
}

/** What is wanted of a name, as people type it: a lock, unless one of these says otherwise. */
export interface WantedOptions {
  readonly permits?: PermitShare;
  readonly read?: boolean;
  readonly write?: boolean;
}

/** Whatever can be taken, with what all of it can do. */
export interface Takeable {
  acquire(options: AcquireOptions): Promise<Lease>;
  withLock<T>(options: AcquireOptions, task: Task<Lease, T>): Promise<T>;
}

/** Reads `1/3`. */
export function parsePermits(text: string): PermitShare {
  const [, permits, limit] = /^(\d{1,10})\/(\d{1,10})$/.exec(text.trim()) ?? [];
  const share = { permits: Number(permits), limit: Number(limit) };
  if (!(share.permits >= 1 && share.limit < 2 ** 31))
    throw new InvalidArgumentError('It must say how many of how many, such as 1/3, up to 2147483647.');
  if (share.permits > share.limit) throw new InvalidArgumentError('It must not take more permits than there are: 1/3 takes one of three.');
  return share;
}

/** These options alone, for another process. */
export function wantedOnly({ permits, read, write }: WantedOptions): WantedOptions {
  return { ...(permits !== undefined && { permits }), ...(read && { read }), ...(write && { write }) };
}

export function kindWanted({ permits, read, write }: WantedOptions): LockKind {
  return permits !== undefined ? 'semaphore' : read || write ? 'read-write' : 'lock';
}

/** @throws LockUnsupportedError where the store has no such thing */
export function takeable(manager: LockManager, name: string, { permits: share, read, write }: WantedOptions): Takeable {
  if (share !== undefined) {
    const { permits, limit } = share;
    const semaphore = manager.semaphore(name, { permits: limit });
    return {
      acquire: (options) => semaphore.acquire({ ...options, permits }),
      withLock: (options, task) => semaphore.withPermits({ ...options, permits }, task),
    };
  }
  if (read) return manager.readWriteLock(name).read;
  if (write) return manager.readWriteLock(name).write;
  return {
    acquire: (options) => manager.acquire(name, options),
    withLock: (options, task) => manager.withLock(name, options, task),
  };
}
