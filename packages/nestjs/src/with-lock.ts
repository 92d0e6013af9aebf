import type { AcquireOptions, LockManager } from '@holdfast/core';
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
 */
export function WithLock<A extends unknown[]>(key: KeyOf<A>, options: AcquireOptions = {}): MethodDecoratorOf<A> {
  return wrapMethod<LockManager>('WithLock', LOCK_MANAGER, (locks, target, args, call) =>
    locks.withLock(nameOf(key, target, args), options, (lease) => callUnder(lease, call)),
  );
}

/** What the key is for this call; checked where the lock is taken. */
export function nameOf<A extends unknown[]>(key: KeyOf<A>, target: object, args: readonly unknown[]): string {
  return typeof key === 'function' ? key.apply(target, args as A) : key;
}
