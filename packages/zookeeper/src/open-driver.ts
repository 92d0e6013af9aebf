import { LockUnavailableError } from '@holdfast/core';
import { driverError } from '@holdfast/core/backend';
import type { Driver } from './zookeeper-client.js';

/** Loads node-zookeeper-client. @throws LockUnavailableError `retryable: false` when it is not installed or another version */
export async function openDriver(): Promise<Driver> {
  let driver: Driver;
  try {
    const module = (await import('node-zookeeper-client')) as unknown as Driver & { readonly default?: Driver };
    driver = module.default ?? module;
  } catch (error) {
    throw driverError('zookeeper', 'node-zookeeper-client', error);
  }
  if (isKnown(driver)) return driver;
  throw new LockUnavailableError('zookeeper: the driver node-zookeeper-client is of a version that Holdfast does not know; use 1.1', {
    backend: 'zookeeper',
    retryable: false,
  });
}

/** The cures reach into the client, so it must be the one that they were made for. */
function isKnown(driver: Driver): boolean {
  if (typeof driver.createClient !== 'function') return false;
  const { connectionManager } = driver.createClient('localhost', { sessionTimeout: 1000, retries: 0 });
  if (typeof connectionManager?.connect !== 'function' || typeof connectionManager.onSocketData !== 'function') return false;
  return Array.isArray(connectionManager.pendingQueue) && typeof connectionManager.watcherManager?.emit === 'function';
}
