import { driverLoader } from '@holdfast/core/backend';
import type { DriverClient } from './postgres-client.js';

/** What is used of the module `pg`. */
interface Driver {
  readonly Client: new (options: object) => DriverClient;
}

const loadDriver = driverLoader<Driver>({
  backend: 'postgres',
  driver: 'pg',
  load: () => import('pg'),
  isDriver: (candidate): candidate is Driver => typeof (candidate as Partial<Driver> | null | undefined)?.Client === 'function',
});

/**
 * Makes a client that has not begun to connect.
 *
 * @throws LockUnavailableError `retryable: false` when pg is not installed
 */
export async function createClient(connectionString: string, driverOptions: Readonly<Record<string, unknown>>): Promise<DriverClient> {
  const { Client } = await loadDriver();
  return new Client({ keepAlive: true, application_name: 'holdfast', ...driverOptions, connectionString });
}
