import type { AnyLockError } from '@holdfast/core';
import type { ConnectionSource } from './connection-source.js';
import { sqlState, unavailable, unavailableBecause } from './postgres-error.js';

/**
 * What callers hear of a statement that failed on a borrowed connection. The server refuses a write in the same words on a standby, which
 * may be promoted, and where somebody has made transactions read-only, which waiting does not change: so it is asked which it is.
 */
export async function refusalOf(error: unknown, source: ConnectionSource, timeoutMs: number): Promise<AnyLockError> {
  if (sqlState(error) !== '25006') return unavailable(error);
  try {
    const [row] = await source.borrow(timeoutMs, (connection) => connection.query({ text: 'SELECT pg_catalog.pg_is_in_recovery()' }));
    if (row?.[0] !== 'f') return unavailable(error);
  } catch {
    return unavailable(error);
  }
  return unavailableBecause(
    'default_transaction_read_only is on for this role, this database or the server, and what has to be written cannot be (25006)',
    { retryable: false },
  );
}
