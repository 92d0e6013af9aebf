import { driverLoader } from '@holdfast/core/backend';
import type { Driver } from './zookeeper-client.js';

/** Loads node-zookeeper-client. @throws LockUnavailableError `retryable: false` when it is not installed or another version than 1.1 */
export const openDriver = driverLoader<Driver>({
  backend: 'zookeeper',
  driver: 'node-zookeeper-client',
  load: () => import('node-zookeeper-client'),
  isDriver: isKnown,
});

/** The cures reach into the client, so it must be the one that they were made for. */
function isKnown(candidate: unknown): candidate is Driver {
  const driver = candidate as Partial<Driver> | null | undefined;
  if (typeof driver?.createClient !== 'function') return false;
  const { connectionManager } = driver.createClient('localhost', { sessionTimeout: 1000, retries: 0 });
  if (typeof connectionManager?.connect !== 'function' || typeof connectionManager.onSocketData !== 'function') return false;
  return Array.isArray(connectionManager.pendingQueue) && typeof connectionManager.watcherManager?.emit === 'function';
}
