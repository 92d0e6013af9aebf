import { createZooKeeperLockManager } from '@holdfast/zookeeper';
import type { Library } from '../library.js';
import { ours } from './ours.js';

/** Ephemeral sequential nodes, first come, first served. */
export const holdfastZooKeeper: Library = ours('zookeeper', { fair: true }, (address, ttlMs) =>
  createZooKeeperLockManager({ connectionString: address.replace(/^zookeeper:\/\//, ''), ttlMs }),
);
