export { createWebLocks } from './create-web-locks.js';
export type { WebLock, WebLockCallback, WebLockInfo, WebLockMode, WebLockOptions, WebLocks, WebLocksSnapshot } from './types.js';
