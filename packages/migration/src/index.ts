export { adaptLegacyLock } from './adapt-legacy-lock.js';
export { createMigratingLockManager, type MigratingLockManager, type MigratingOptions } from './create-migrating-lock-manager.js';
export type { LegacyHold, LegacyHolder, LegacyLock, LegacyRequest } from './legacy-lock.js';
export type { MigrationEvent } from './migration-events.js';
export type { MigrationPhase, MigrationSide } from './phase.js';
export { createReentrantLocks, type ReentrantLock, type ReentrantLocks } from './reentrant-locks.js';
