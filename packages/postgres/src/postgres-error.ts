import { type AnyLockError, isLockError, LockUnavailableError } from '@holdfast/core';

export const BACKEND = 'postgres';

/** Where waiting cannot help: somebody has to change a password, a permission or a setting. By SQLSTATE. */
const FOR_GOOD: Readonly<Record<string, string>> = {
  '28000': 'the server refused the user (pg_hba.conf, the role may not log in, or the URL names none)',
  '28P01': 'the server refused the user name or the password',
  '3D000': 'the server does not have this database',
  '42501':
    'the role lacks a permission that locking needs, or a policy keeps rows from it; holdfast schema --role <name> prints the SQL that grants all permissions',
  '2200H': 'the sequence of fencing tokens has come to its end',
  '42703': 'a table of Holdfast has not the columns that it must have; see postgresSchemaSql()',
  '42883': 'the server does not know a function that locking needs: PostgreSQL 13 or later is needed',
  '42704': 'the server does not know a setting or type that locking needs: PostgreSQL 13 or later is needed',
  '22P05': 'the encoding of the database lacks a character of the name or the namespace',
  '26000': 'the connection is pooled by the transaction, which locking on sessions cannot use',
};

/** What passes: the server or somebody at it is working on it. */
const FOR_NOW: Readonly<Record<string, string>> = {
  '25006': 'the server takes no writes: it is a standby, or default_transaction_read_only is on',
  '3F000': 'the schema of Holdfast is missing; it is made anew where the role may, else see postgresSchemaSql()',
  '42P01': 'a table of Holdfast is missing; it is made anew where the role may, else see postgresSchemaSql()',
  '40001': 'the statement conflicted with another',
  '40P01': 'the statement was in a deadlock with another program',
  '53100': 'the server has no room on its disk',
  '53200': 'the server is out of memory for locks (max_locks_per_transaction)',
  '53300': 'the server, or the role, has no room for another connection',
  '55P03': 'a lock_timeout ended the statement',
  '57014': 'the statement was cancelled, or a statement_timeout ended it',
  '57P01': 'an administrator ended the session',
  '57P02': 'the server crashed',
  '57P03': 'the server is starting up, recovering or shutting down',
  '57P05': 'an idle_session_timeout ended the session',
  '25P03': 'an idle_in_transaction_session_timeout ended the session',
  '08P01': 'the server, or a pooler in front of it, refused the connection',
};

/**
 * Turns whatever a driver throws into an error of ours. Its message and cause are put together anew: a driver's error may
 * quote statements, values and addresses.
 */
export function unavailable(error: unknown, lockName?: string | null): AnyLockError {
  if (isLockError(error)) return error;
  const { reason, retryable } = explain(error);
  return unavailableBecause(reason, { retryable, lockName });
}

interface Details {
  readonly retryable?: boolean;
  /** @default true */
  readonly wasSent?: boolean;
  readonly lockName?: string | null | undefined;
}

/** An error of ours with this reason. */
export function unavailableBecause(reason: string, { retryable = true, wasSent = true, lockName }: Details = {}): LockUnavailableError {
  const cause = new Error(reason);
  return new LockUnavailableError(`postgres: ${reason}`, { backend: BACKEND, retryable, wasSent, lockName, cause });
}

/** What became of what a request needs first, a connection or a session: the request itself has not left this process. */
export async function beforeSending<T>(needed: Promise<T>): Promise<T> {
  try {
    return await needed;
  } catch (error) {
    const { message, retryable, cause } = withRetryable(unavailable(error));
    throw new LockUnavailableError(message, { backend: BACKEND, retryable, wasSent: false, cause });
  }
}

function withRetryable(error: AnyLockError): Pick<LockUnavailableError, 'message' | 'retryable' | 'cause'> {
  return isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') ? error : { message: error.message, retryable: false, cause: error.cause };
}

/** The server refused it as late, and once more by the time of that refusal. */
export function cameTooLate(): LockUnavailableError {
  return unavailableBecause('the request reached the server too late, and so did the same once more');
}

/** @param wasSent whether it ends something that may be under way */
export function closedError(wasSent = false): LockUnavailableError {
  return unavailableBecause('the backend is closed', { retryable: false, wasSent });
}

/**
 * The SQLSTATE of an error that the server sent; null for any other, such as Node's EPIPE and Prisma's P1001, which say nothing of
 * whether a statement was carried out.
 */
export function sqlState(error: unknown): string | null {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && !/^(?:E[A-Z]{4}|P[1-9]\d{3})$/.test(code) ? code : null;
}

function explain(error: unknown): { readonly reason: string; readonly retryable: boolean } {
  if (!(error instanceof Error)) return { reason: 'the client failed', retryable: true };
  // A host with several addresses fails with one error for each.
  const inner = (error as { errors?: unknown }).errors;
  if (Array.isArray(inner) && inner.length > 0) return explain(inner[0]);
  const state = sqlState(error);
  if (state !== null) return explainState(state);
  const code = (error as { code?: unknown }).code;
  if (code === 'CONNECTION_ENDED') return { reason: 'the sql of postgres.js was ended', retryable: false };
  if (typeof code === 'string' && /^[A-Z][A-Z0-9_]+$/.test(code)) {
    return {
      reason: `the connection failed (${code})`,
      retryable: !/CERT|_TLS_|_SSL_|EPROTO|SIGNATURE|ISSUER|BAD_PORT|^ERR_INVALID_/.test(code),
    };
  }
  const { message } = error;
  if (/does not support SSL/i.test(message)) return { reason: 'the server does not speak TLS', retryable: false };
  if (/SASL|password must be a string|SCRAM/i.test(message)) {
    return { reason: 'the server asks for a password in a way that the one given does not serve', retryable: false };
  }
  if (/after calling end on the pool/i.test(message)) return { reason: 'the pool was ended', retryable: false };
  if (/time(?:d )?out|timeout/i.test(message)) return { reason: 'no connection, or no answer, in time', retryable: true };
  return { reason: 'the connection ended', retryable: true };
}

function explainState(state: string): { readonly reason: string; readonly retryable: boolean } {
  const permanent = FOR_GOOD[state];
  if (permanent !== undefined) return { reason: `${permanent} (${state})`, retryable: false };
  return { reason: `${FOR_NOW[state] ?? 'the server refused the statement'} (${state})`, retryable: true };
}
