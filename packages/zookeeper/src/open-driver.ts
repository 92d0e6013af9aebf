import { LockUnavailableError } from '@holdfast/core';
import type { Driver } from './zookeeper-client.js';

/** Loads node-zookeeper-client. @throws LockUnavailableError `retryable: false` when it is not installed or another version */
export async function openDriver(): Promise<Driver> {
  let driver: Driver;
  try {
    const module = (await import('node-zookeeper-client')) as unknown as Driver & { readonly default?: Driver };
    driver = module.default ?? module;
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    const isMissing = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
    throw refused(isMissing ? 'is not installed; run: npm install node-zookeeper-client' : 'could not be loaded');
  }
  if (!isKnown(driver)) throw refused('is of a version that Holdfast does not know; use 1.1');
  return driver;
}

/** The cures reach into the client, so it must be the one that they were made for. */
function isKnown(driver: Driver): boolean {
  if (typeof driver.createClient !== 'function') return false;
  const { connectionManager } = driver.createClient('localhost', { sessionTimeout: 1000, retries: 0 });
  if (typeof connectionManager?.connect !== 'function' || typeof connectionManager.onSocketData !== 'function') return false;
  return Array.isArray(connectionManager.pendingQueue) && typeof connectionManager.watcherManager?.emit === 'function';
}

function refused(why: string): LockUnavailableError {
  return new LockUnavailableError(`zookeeper: the driver node-zookeeper-client ${why}`, { backend: 'zookeeper', retryable: false });
}
