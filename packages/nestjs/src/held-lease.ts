import { AsyncLocalStorage } from 'node:async_hooks';
import { type Lease, onceAProcess } from '@holdfast/core';

// Where one part of an application imports this package and another one requires it, both find the lease.
const held = onceAProcess('@holdfast/nestjs:held-lease:1', () => new AsyncLocalStorage<Lease>());

/**
 * The lease under which the running method was called, by the innermost `@WithLock` or `@RunOnce`: for its `signal`, which aborts when the lock is lost, and its
 * fencing token. null outside of such a method.
 *
 * @example
 * ```ts
 * import { heldLease, WithLock } from '@holdfast/nestjs';
 *
 * class Invoices {
 *   @WithLock((id: string) => `invoice:${id}`)
 *   async bill(id: string): Promise<void> {
 *     await fetch(`data:,${id},${heldLease()?.fencingToken}`, { signal: heldLease()?.signal ?? null });
 *   }
 * }
 * ```
 */
export function heldLease(): Lease | null {
  return held.getStore() ?? null;
}

/** Runs a method under a lease, so that `heldLease` finds it. */
export function callUnder<T>(lease: Lease, call: () => T): T {
  return held.run(lease, call);
}
