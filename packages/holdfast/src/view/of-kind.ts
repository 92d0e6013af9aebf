import type { LockKind, LockManager, LockState } from '@holdfast/core';

export const kinds = ['lock', 'semaphore', 'read-write'] as const satisfies readonly LockKind[];

/** What operators ask of one name, the same for the three kinds of things. */
export interface Inspectable {
  inspect(): Promise<LockState>;
  forceRelease(): Promise<boolean>;
}

/** @throws LockUnsupportedError where the backend has no such thing, LockArgumentError for a bad name */
export function ofKind(manager: LockManager, name: string, kind: LockKind): Inspectable {
  switch (kind) {
    case 'lock':
      return { inspect: () => manager.inspect(name), forceRelease: () => manager.forceRelease(name) };
    case 'semaphore':
      // The number of permits does not matter to who only looks.
      return manager.semaphore(name, { permits: 1 });
    case 'read-write':
      return manager.readWriteLock(name);
    default:
      return kind satisfies never;
  }
}

/** The kinds that this store has. */
export function kindsOf({ capabilities }: Pick<LockManager, 'capabilities'>): readonly LockKind[] {
  return kinds.filter((kind) =>
    kind === 'semaphore' ? capabilities.semaphores : kind === 'read-write' ? capabilities.readWriteLocks : true,
  );
}
