import type { HolderState, LockKind } from '@holdfast/core';

/** What a mode is a mode of. */
export function kindOf(mode: HolderState['mode']): LockKind {
  if (mode === 'exclusive') return 'lock';
  return mode === 'permits' ? 'semaphore' : 'read-write';
}
