import { type AcquireOptions, checkName, type LockManager } from '@holdfast/core';
import { callUnder } from './held-lease.js';
import { LOCK_MANAGER } from './injection.js';
import { type MethodDecoratorOf, wrapMethod } from './wrap-method.js';

/** A name, or a function of the method's arguments that says it. */
export type KeyOf<A extends unknown[]> = string | ((...args: A) => string);

/**
 * Runs the method under a lock, whose name may depend on its arguments: `@WithLock((id: string) => `invoice:${id}`)`. The method has to return a promise. `heldLease()`
 * gives it its lease, with the signal that aborts when the lock is lost.
 *
 * The method then also rejects with what `withLock` of the manager rejects with: LOCK_TIMEOUT, LOCK_BACKEND_UNAVAILABLE, LOCK_LOST, LOCK_REENTRY; with LOCK_INVALID_ARGUMENT where the
 * function gives no name, and with what the function throws.
 *
 * @param options how long to wait and to hold: those of `acquire`
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a value that is neither a name nor a function, and for a method of an object that Nest does not make
 */
export function WithLock<A extends unknown[]>(key: KeyOf<A>, options: AcquireOptions = {}): MethodDecoratorOf<A> {
  checkKey('WithLock', 'key', key);
  return wrapMethod<LockManager>('WithLock', LOCK_MANAGER, (locks, target, args, call) =>
    locks.withLock(nameOf(key, target, args), options, (lease) => callUnder(lease, call)),
  );
}

/** What the key is for this call; what is no name is refused where the lock is taken. */
export function nameOf<A extends unknown[]>(key: KeyOf<A>, target: object, args: readonly unknown[]): string {
  const name: unknown = typeof key === 'function' ? key.apply(target, args as A) : key;
  // Nobody else would hear of its rejection.
  if (name instanceof Promise) name.catch(() => {});
  return name as string;
}

/** A name that stands in the code is wrong from the start. */
export function checkKey(where: string, option: string, key: unknown): void {
  if (typeof key !== 'function') checkName(where, key, option);
}
