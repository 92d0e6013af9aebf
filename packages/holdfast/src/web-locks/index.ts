export { createWebLocks } from './create-web-locks.js';
export type {
  WebLock,
  WebLockCallback,
  WebLockInfo,
  WebLockMode,
  WebLockOnceOptions,
  WebLockOptions,
  WebLocks,
  WebLocksSnapshot,
  WebLockWaitOptions,
} from './types.js';
