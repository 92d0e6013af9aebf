export { createLockPage, type LockPage } from './create-lock-page.js';
export type { LockPageOptions } from './page-options.js';
export { toNodeListener } from './to-node-listener.js';
