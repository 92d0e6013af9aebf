import { type LockBackend, readOptions } from '@holdfast/core';
import { createZooKeeperBackend } from './zookeeper-backend.js';
import { type ZooKeeperBackendOptions, zooKeeperBackendRules } from './zookeeper-options.js';

/**
 * Opens a backend from a URL: what `connect` of the package `holdfast` calls for the scheme zookeeper.
 *
 * @param options those of `createZooKeeperBackend` but `connectionString`
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 */
export function openBackend(url: string, options: Omit<ZooKeeperBackendOptions, 'connectionString'> = {}): LockBackend<bigint> {
  const { connectionString: _connectionString, ...rules } = zooKeeperBackendRules;
  return createZooKeeperBackend({ ...readOptions('openBackend', options, rules), connectionString: url });
}
