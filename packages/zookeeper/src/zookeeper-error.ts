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
  SESSION_MOVED: -118,
  NOT_READ_ONLY: -119,
  EPHEMERAL_ON_LOCAL_SESSION: -120,
  SESSION_CLOSED_REQUIRE_AUTH: -124,
  QUOTA_EXCEEDED: -125,
  THROTTLED: -127,
} as const;

type CodeName = keyof typeof CODES;

/** Where waiting cannot help: somebody has to change a password, a permission or a setting. */
const PERMANENT: Readonly<Partial<Record<CodeName, string>>> = {
  NO_AUTH: 'this user lacks a permission (create, delete, read or write) on the nodes of Holdfast; see auth, acl and root',
  INVALID_ACL: 'the server refused the access list: "creator" needs auth',
  AUTH_FAILED: 'the server refused the authentication',
  UNIMPLEMENTED: 'the server does not know a request that locking needs',
  NO_CHILDREN_FOR_EPHEMERALS: 'root leads to an ephemeral node, which can have no children',
  EPHEMERAL_ON_LOCAL_SESSION: 'the server keeps local sessions, in which no lock can be held; set localSessionsUpgradingEnabled there',
  SESSION_CLOSED_REQUIRE_AUTH: 'the server demands an authentication that this client did not give; see auth (the client has no SASL)',
};

/** Where waiting may help, in words. */
const TEMPORARY: Readonly<Partial<Record<CodeName, string>>> = {
  QUOTA_EXCEEDED: 'a quota on the nodes of Holdfast is exceeded',
  THROTTLED: 'the server is overloaded and refused the request',
};

/** The refusals that are certainly that: nothing was done. */
const DEFINITE: readonly number[] = Object.values(CODES).filter((code) => code !== CODES.CONNECTION_LOSS);

/** What is wrong with the connection, not with the request: another one has to be made. */
const OF_THE_CONNECTION: readonly number[] = [CODES.CONNECTION_LOSS, CODES.SESSION_EXPIRED, CODES.SESSION_MOVED, CODES.NOT_READ_ONLY];

/** The server answered a request with a code, known or not, and goes on answering others. */
export class RefusalError extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`the server answered ${nameOf(code)}`);
    this.code = code;
  }
}

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
export function isCode(error: unknown, code: CodeName): boolean {
  return codeOf(error) === CODES[code];
}

/** What the server answered; `instead` where it answered with one of these codes. */
export async function unlessRefused<T, I>(answer: Promise<T>, instead: I, ...codes: readonly CodeName[]): Promise<T | I> {
  try {
    return await answer;
  } catch (error) {
    if (codes.some((code) => isCode(error, code))) return instead;
    throw error;
  }
}

/** Whether the code says that the connection is of no more use. */
export function isOfTheConnection(code: number): boolean {
  return OF_THE_CONNECTION.includes(code);
}

/** Whether the code says that no connection will be of use before somebody changes something. */
export function demandsAuth(code: number): boolean {
  return code === CODES.SESSION_CLOSED_REQUIRE_AUTH || code === CODES.AUTH_FAILED;
}

/** Whether the connection ended before the answer came. */
export function isUnknown(error: unknown): error is ConnectionLostError {
  return error instanceof ConnectionLostError;
}

/** Whether the request may have been carried out anyway: no answer came, or one that does not say. */
export function mayBeDone(error: unknown): boolean {
  if (isUnknown(error)) return error.isSent;
  const code = codeOf(error);
  return code !== null && !DEFINITE.includes(code);
}

/** An error of ours. Messages are put together anew, so that no credential gets into one. */
export function unavailable(error: unknown, lockName?: string | null): AnyLockError {
  if (isLockError(error)) return error;
  if (error instanceof ConnectionLostError) return make(error.message, true, lockName);
  const code = codeOf(error);
  if (code === null) {
    const text = (error as { code?: unknown } | null | undefined)?.code;
    const why = typeof text === 'string' && /^[A-Z][A-Z0-9_]+$/.test(text) ? `the connection failed (${text})` : 'the client failed';
    return make(why, true, lockName);
  }
  const name = nameOf(code);
  const permanent = PERMANENT[name as CodeName];
  const reason = permanent ?? TEMPORARY[name as CodeName] ?? 'the server refused the request';
  return make(`${reason} (${name})`, permanent === undefined, lockName);
}

/** What a request needs first, a connection, was not to be had: the request itself has not left this process. */
export function neverSent(error: unknown): AnyLockError {
  const told = unavailable(error);
  if (!isLockError(told, 'LOCK_BACKEND_UNAVAILABLE') || !told.wasSent) return told;
  const { message, lockName, retryable, cause } = told;
  return new LockUnavailableError(message, { backend: BACKEND, lockName, retryable, wasSent: false, cause });
}

/** @param wasSent whether it ends something that may be under way */
export function closedError(wasSent = false): LockUnavailableError {
  return make('the backend is closed', false, null, wasSent);
}

/** Every session has as much as its end may say. */
export function fullError(sessions: number, requests: number, bytes: number): LockUnavailableError {
  const each = `${requests} requests or ${bytes / 1024} KiB of paths each`;
  return make(`this manager's ${sessions} sessions are full (${each}); free some holds, or use further managers`, true, null, false);
}

export function expiredError(lockName?: string | null): LockUnavailableError {
  return make('the session has ended', true, lockName);
}

/** The access list shuts its maker out. */
export function ownNodesError(): LockUnavailableError {
  return make(
    'acl does not let this user create, delete, read and write under nodes that this user makes; see auth and acl (NO_AUTH)',
    false,
  );
}

export function removedError(lockName: string): LockUnavailableError {
  return make('somebody removed the request from the queue', true, lockName);
}

/** It was granted, and is over before anybody heard of it. */
export function endedError(lockName: string): LockUnavailableError {
  return make('the hold ended as soon as it was granted', true, lockName);
}

export function releasedError(lockName: string): LockUnavailableError {
  return make('the request was released', true, lockName);
}

function make(reason: string, retryable: boolean, lockName?: string | null, wasSent = true): LockUnavailableError {
  return new LockUnavailableError(`zookeeper: ${reason}`, { backend: BACKEND, lockName, retryable, wasSent, cause: new Error(reason) });
}

function codeOf(error: unknown): number | null {
  const code = (error as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'number' ? code : null;
}

function nameOf(code: number): string {
  return Object.entries(CODES).find(([, value]) => value === code)?.[0] ?? `code ${code}`;
}
