import type { HoldRef } from './contract/backend.js';
import type { LockKind } from './contract/state.js';

/** Locks, semaphores and read/write locks of one name are separate things; the mode says which one is meant. */
export function kindOf(mode: HoldRef['mode']): LockKind {
  if (mode === 'exclusive') return 'lock';
  return mode === 'permits' ? 'semaphore' : 'read-write';
}
