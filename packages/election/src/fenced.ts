import { type FencingToken, type Lease, type LockManager, LockUnsupportedError } from '@holdfast/core';

/** @throws LockUnsupportedError LOCK_UNSUPPORTED: a leader without a token looks like the one before it */
export function requireTerms(locks: LockManager): void {
  if (locks.capabilities.fencing) return;
  throw new LockUnsupportedError(
    `an election needs fencing tokens, by which terms differ, and the ${locks.backend} backend gives none (yet); choose a store that does`,
    { backend: locks.backend, capability: 'fencing' },
  );
}

/** The lease of a leader. A store may have stopped to give tokens since it was asked: a migration's phase changes. @throws LockUnsupportedError LOCK_UNSUPPORTED */
export function fenced(locks: LockManager, lease: Lease): Lease<bigint> {
  if (isFenced(lease)) return lease;
  throw new LockUnsupportedError(
    `an election needs fencing tokens, and the ${locks.backend} backend has granted ${JSON.stringify(lease.name)} without one`,
    {
      backend: locks.backend,
      lockName: lease.name,
      capability: 'fencing',
    },
  );
}

function isFenced(lease: Lease<FencingToken>): lease is Lease<bigint> {
  return lease.fencingToken !== null;
}
