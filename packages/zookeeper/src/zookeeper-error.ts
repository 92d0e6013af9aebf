import { type AnyLockError, isLockError, LockUnavailableError } from '@holdfast/core';

const BACKEND = 'zookeeper';

/** What a server answers instead of doing what it was asked. */
const CODES = {
  CONNECTION_LOSS: -4,
  UNIMPLEMENTED: -6,
  NO_NODE: -101,
  NO_AUTH: -102,
  BAD_VERSION: -103,
  NO_CHILDREN_FOR_EPHEMERALS: -108,
  NODE_EXISTS: -110,
  NOT_EMPTY: -111,
  SESSION_EXPIRED: -112,
  INVALID_ACL: -114,
  AUTH_FAILED: -115,
} as const;

/** Where waiting cannot help: somebody has to change a password, a right or a setting. */
const FOR_GOOD: Readonly<Record<number, string>> = {
  [CODES.NO_AUTH]: 'this user lacks a right on the nodes of Holdfast; see auth, acl and root',
  [CODES.INVALID_ACL]: 'the server refused the access list: "creator" needs auth',
  [CODES.AUTH_FAILED]: 'the server refused the authentication',
  [CODES.UNIMPLEMENTED]: 'the server does not know a request that locking needs',
  [CODES.NO_CHILDREN_FOR_EPHEMERALS]: 'root leads to an ephemeral node, which can have no children',
};

/** The connection ended before a request was answered: whether the server carried it out is not known. */
export class ConnectionLostError extends Error {
  /** false: there was no connection to send it on, so it was certainly not carried out. */
  readonly isSent: boolean;

  constructor(message: string, { isSent = true }: { readonly isSent?: boolean } = {}) {
    super(message);
    this.isSent = isSent;
  }
}

/** The server does not know the session any more. */
export class SessionExpiredError extends Error {
  override readonly message = 'the session has expired';
}

/** Whether the server answered with this code. */
export function isCode(error: unknown, code: keyof typeof CODES): boolean {
  return (error as { code?: unknown } | null | undefined)?.code === CODES[code];
}

/** Whether it is unknown what became of a request, as against refused by the server. */
export function isUnknown(error: unknown): error is ConnectionLostError {
  return error instanceof ConnectionLostError;
}

/** An error of ours. Messages are put together anew, so that no credential gets into one. */
export function unavailable(error: unknown, lockName?: string | null): AnyLockError {
  if (isLockError(error)) return error;
  if (error instanceof ConnectionLostError) return make(error.message, true, lockName);
  const code = (error as { code?: unknown } | null | undefined)?.code;
  if (typeof code !== 'number') {
    const why = typeof code === 'string' && /^[A-Z][A-Z0-9_]+$/.test(code) ? `the connection failed (${code})` : 'the client failed';
    return make(why, true, lockName);
  }
  const name = Object.entries(CODES).find(([, value]) => value === code)?.[0] ?? String(code);
  const permanent = FOR_GOOD[code];
  return make(`${permanent ?? 'the server refused the request'} (${name})`, permanent === undefined, lockName);
}

export function authFailedError(): AnyLockError {
  return unavailable({ code: CODES.AUTH_FAILED });
}

export function closedError(): LockUnavailableError {
  return make('the backend is closed', false);
}

export function expiredError(lockName?: string | null): LockUnavailableError {
  return make('the session has ended', true, lockName);
}

function make(reason: string, retryable: boolean, lockName?: string | null): LockUnavailableError {
  return new LockUnavailableError(`zookeeper: ${reason}`, { backend: BACKEND, lockName, retryable, cause: new Error(reason) });
}
