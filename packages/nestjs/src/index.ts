export { heldLease } from './held-lease.js';
export { InjectJobLocks, InjectLocks, JOB_LOCKS, LOCK_MANAGER } from './injection.js';
export { LockHealthIndicator, type LockHealthResult, type LocksDown, type LocksUp } from './lock-health-indicator.js';
export { LockModule, type LockModuleAsyncOptions, type LockModuleRootOptions } from './lock-module.js';
export type { LockModuleOptions } from './lock-module-options.js';
export { RunOnce } from './run-once.js';
export { type KeyOf, WithLock } from './with-lock.js';
export type { MethodDecoratorOf } from './wrap-method.js';
