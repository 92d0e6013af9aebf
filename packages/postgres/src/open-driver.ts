import { driverError } from '@holdfast/core/backend';
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
    throw driverError('postgres', 'pg', error);
  }
}
