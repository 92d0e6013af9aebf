import { createRedlockLockManager } from '@holdfast/redlock';
import type { Library } from '../library.js';
import { nodesOf } from '../stores/redlock.js';
import { ours } from './ours.js';

/** A majority of all nodes, with fencing tokens. */
export const holdfastRedlock: Library = ours('redlock', {}, (address, ttlMs) =>
  createRedlockLockManager({ urls: nodesOf(address), ttlMs }),
);
