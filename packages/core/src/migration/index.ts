export { createMigratingLockManager, type MigratingLockManager, type MigratingOptions } from './create-migrating-lock-manager.js';
export type { MigrationEvent } from './migration-events.js';
export type { MigrationPhase, MigrationSide } from './phase.js';
