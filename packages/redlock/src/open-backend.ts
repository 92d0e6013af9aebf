import { type LockBackend, readOptions } from '@holdfast/core';
import { createRedlockBackend } from './create-redlock-backend.js';
import { type RedlockBackendOptions, redlockBackendRules } from './redlock-options.js';
import { nodeUrls } from './redlock-url.js';

/**
 * Opens a backend from a URL: what `connect` of the package `holdfast` calls for the schemes redlock and redlocks.
 *
 * @param options those of `createRedlockBackend` but `clients` and `urls`
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 */
export function openBackend(url: string, options: Omit<RedlockBackendOptions, 'clients' | 'urls'> = {}): LockBackend<bigint> {
  const { clients: _clients, urls: _urls, ...rules } = redlockBackendRules;
  return createRedlockBackend({ ...readOptions('openBackend', options, rules), urls: nodeUrls(url) });
}
