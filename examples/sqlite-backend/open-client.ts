import { createLockManager, type LockManager, type ManagerOptions } from '@holdfast/core';
import { SqliteBackend } from './sqlite-backend.js';

/** One more client of the file: for `holdfast conformance`, which starts processes of its own. */
export function openClient(path: string, options: ManagerOptions): LockManager {
  return createLockManager(new SqliteBackend(path), options);
}
