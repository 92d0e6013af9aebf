export { createRedlockBackend } from './create-redlock-backend.js';
export { createRedlockLockManager, type RedlockLockManagerOptions } from './create-redlock-lock-manager.js';
export { initializeNodes, lookAtNodes } from './initialize-nodes.js';
export { openBackend } from './open-backend.js';
export type { RedlockBackendOptions } from './redlock-options.js';
export { nodeUrls } from './redlock-url.js';
