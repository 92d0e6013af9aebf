import { createLockManager, type LockManager, type ManagerOptions } from '@holdfast/core';
import { createLineBackend, type LineBackendOptions } from './line-backend.js';

/** One more client, in a process that the conformance suite starts. */
export function openClient(data: LineBackendOptions, options: ManagerOptions): LockManager {
  return createLockManager(createLineBackend(data), options);
}
