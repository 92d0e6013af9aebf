import { LockUnavailableError } from '@holdfast/core';
import type { DriverClient } from './postgres-client.js';

/** What is used of the module `pg`. */
interface Driver {
  readonly Client: new (options: object) => DriverClient;
}

/**
 * Makes a client that has not begun to connect.
 *
 * @throws LockUnavailableError `retryable: false` when pg is not installed
 */
export async function createClient(connectionString: string, driverOptions: Readonly<Record<string, unknown>>): Promise<DriverClient> {
  const { Client } = await loadDriver();
  return new Client({ keepAlive: true, application_name: 'holdfast', ...driverOptions, connectionString });
}

async function loadDriver(): Promise<Driver> {
  try {
    const driver = (await import('pg')) as unknown as Driver & { readonly default?: Driver };
    return driver.Client === undefined && driver.default !== undefined ? driver.default : driver;
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    const isMissing = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
    const hint = isMissing ? 'is not installed; run: npm install pg' : 'could not be loaded';
    throw new LockUnavailableError(`postgres: the driver pg ${hint}`, { backend: 'postgres', retryable: false });
  }
}
