import { checkValue, createLockManager, type LockManager, type ManagerOptions, type OptionRule, readOptions, rule } from '@holdfast/core';
import { LegacyBackend } from './legacy-backend.js';
import type { LegacyLock } from './legacy-lock.js';

const KINDS = "must be a list of 'semaphore' and 'read-write'";
const isKind = rule.oneOf('semaphore', 'read-write');

const rules: Readonly<Record<keyof LegacyLock, OptionRule>> = {
  name: rule.string,
  also: (value) => (Array.isArray(value) && value.every((kind) => isKind(kind) === null) ? null : KINDS),
  tryLock: rule.function,
  unlock: rule.function,
  isLocked: rule.function,
  holders: rule.function,
  isHeld: rule.function,
  extend: rule.function,
  forceUnlock: rule.function,
  undo: rule.function,
  leaseMs: rule.duration({ min: 1 }),
  expiry: rule.oneOf('ttl', 'session'),
  close: rule.function,
};

/**
 * Makes a lock manager of any existing lock, so that it can be the `from` of a migration: waiting, deadlines, loss,
 * groups and exclusion between the tasks of this process are added. What the lock itself cannot do stays impossible, and
 * the `capabilities` say so: no fencing tokens, marks or listing, semaphores and read/write locks only where `also` names them, and waiters
 * poll.
 *
 * Two tasks of one process exclude each other here, also where the lock itself is re-entrant for the process.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a bad option, or `leaseMs` together with `extend`
 *
 * @example
 * ```ts
 * import { adaptLegacyLock } from 'holdfast/migration';
 *
 * const taken = new Set<string>(); // the lock that you have
 * const old = adaptLegacyLock({
 *   name: 'flags',
 *   tryLock: (name) => !taken.has(name) && taken.add(name).has(name),
 *   unlock: (name) => taken.delete(name),
 * });
 * await old.withLock('invoice:42', () => console.log([...taken]));
 * await old.close();
 * ```
 */
export function adaptLegacyLock<H>(lock: LegacyLock<H>, options?: ManagerOptions): LockManager<null> {
  const where = 'adaptLegacyLock';
  checkValue(where, 'lock', lock, rule.object);
  const read = readLock(where, lock);
  if (read.extend !== undefined) {
    checkValue(where, 'leaseMs', read.leaseMs, (value) => (value === undefined ? null : 'must be left out where extend is given'));
  }
  return createLockManager(new LegacyBackend(read), options);
}

/** A class may carry more than the adapter needs; what it needs is checked, and is read once. */
function readLock<H>(where: string, lock: LegacyLock<H>): LegacyLock<H> {
  const known: Partial<LegacyLock<H>> = Object.fromEntries(Object.keys(rules).map((key) => [key, lock[key as keyof LegacyLock<H>]]));
  const read = readOptions(where, known as LegacyLock<H>, rules, ['tryLock', 'unlock']);
  const own = Object.entries(read).map(([key, value]: [string, unknown]) => [key, isMethod(value) ? value.bind(lock) : value]);
  return Object.fromEntries(own) as LegacyLock<H>;
}

function isMethod(value: unknown): value is (...args: unknown[]) => unknown {
  return typeof value === 'function';
}
