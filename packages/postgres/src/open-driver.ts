import type { LockUnavailableError } from '@holdfast/core';
import { driverLoader } from '@holdfast/core/backend';
import type { NewDriverClient } from './postgres-client.js';
import { unavailableBecause } from './postgres-error.js';

/** What is used of the module `pg`. */
interface Driver {
  readonly Client: new (options: object) => NewDriverClient;
}

/** What a connection string may say, by the names that the driver's options have. */
const PARTS = [
  'host',
  'port',
  'user',
  'password',
  'database',
  'options',
  'application_name',
  'fallback_application_name',
  'client_encoding',
  'sslnegotiation',
  'statement_timeout',
  'lock_timeout',
  'idle_in_transaction_session_timeout',
  'query_timeout',
] as const;

const loadDriver = driverLoader<Driver>({
  backend: 'postgres',
  driver: 'pg',
  load: () => import('pg'),
  isDriver: isKnown,
});

/** A driver before 8 connects to nothing on the Nodes of today, without a word: it has no DatabaseError. */
function isKnown(candidate: unknown): candidate is Driver {
  const driver = candidate as (Partial<Driver> & { readonly DatabaseError?: unknown }) | null | undefined;
  return typeof driver?.Client === 'function' && typeof driver.DatabaseError === 'function';
}

/**
 * Makes a client that has not begun to connect.
 *
 * @throws LockUnavailableError `retryable: false` when pg is not installed, or cannot read what it is given
 */
export async function createClient(connectionString: string, driverOptions: Readonly<Record<string, unknown>>): Promise<NewDriverClient> {
  const { Client } = await loadDriver();
  try {
    // The driver lets a connection string go before its options, also where the string says nothing: so the string is read first.
    const given = Object.keys(driverOptions).length === 0 ? { connectionString } : partsOf(new Client({ connectionString }));
    return new Client({ keepAlive: true, application_name: 'holdfast', ...given, ...driverOptions });
  } catch (error) {
    throw unreadable(error);
  }
}

function partsOf({ connectionParameters = {} }: NewDriverClient): Readonly<Record<string, unknown>> {
  // `false` is what a string says that does without TLS.
  const parts: Record<string, unknown> = { ssl: connectionParameters['ssl'] };
  for (const name of PARTS) {
    const value = connectionParameters[name];
    if (value !== undefined && value !== null && value !== false && value !== '') parts[name] = value;
  }
  return parts;
}

/** The driver's own error may quote the string, and the password in it. */
function unreadable(error: unknown): LockUnavailableError {
  const code = (error as { readonly code?: unknown } | null)?.code;
  const isFile = typeof code === 'string' && /^E[A-Z]+$/.test(code);
  return unavailableBecause(
    isFile
      ? `a file that the connectionString names (sslrootcert, sslcert or sslkey) cannot be read (${code})`
      : 'the driver cannot read the connectionString, or the driverOptions',
    { retryable: false },
  );
}
