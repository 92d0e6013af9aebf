import type { HoldRequest, LockKind } from '@holdfast/core';

/** What kind of name a request is for. */
export const kindOfMode: Readonly<Record<HoldRequest['mode'], LockKind>> = {
  exclusive: 'lock',
  read: 'read-write',
  write: 'read-write',
  permits: 'semaphore',
};
