import { type AnyLockError, isLockError, LockUnavailableError } from '@holdfast/core';
import { ConnectionFault, type FailureRules, type Verdict } from '@holdfast/core/backend';

const BACKEND = 'redis';

/** Where waiting cannot help: somebody has to change a password, a permission or a setting. */
const FOR_GOOD: Readonly<Record<string, string>> = {
  NOAUTH: 'the server asks for a password; give one in the URL or the client',
  WRONGPASS: 'the server refused the user name or the password',
  NOPERM: 'the user lacks a permission that locking needs; the README of @holdfast/redis lists all of them',
  WRONGTYPE: 'a key holds something else than a lock',
  CROSSSLOT: 'the server belongs to a cluster; use redis+cluster:// or a Cluster client',
  MOVED: 'the server belongs to a cluster; use redis+cluster:// or a Cluster client',
  NOPROTO: 'the server does not speak the protocol version that the client asks for',
};

/** What passes: the server or somebody at it is working on it. */
const FOR_NOW: Readonly<Record<string, string>> = {
  READONLY: 'the server is a read-only replica',
  LOADING: 'the server is loading its data',
  MASTERDOWN: 'the replica has lost its master',
  CLUSTERDOWN: 'the cluster is down',
  TRYAGAIN: 'the slot is being moved to another node',
  ASK: 'the slot is being moved to another node',
  OOM: 'the server is out of memory',
  MISCONF: 'the server refuses writes because it cannot save its data',
  NOREPLICAS: 'the server refuses writes because it has too few replicas',
  BUSY: 'the server is busy with a script',
  UNBLOCKED: 'the server ended the command',
};

const REPLY_CODES = new RegExp(`\\b(${[...Object.keys(FOR_GOOD), ...Object.keys(FOR_NOW)].join('|')})\\b`);

/** A key of the lock holds what another program put there. */
export class ForeignKeyError extends LockUnavailableError {
  constructor(lockName: string | null) {
    const reason =
      'a key of this lock holds a list, hash or the like, which no lock does; choose a prefix of which no other program makes use';
    super(`redis: ${reason}`, { backend: BACKEND, lockName, retryable: false, cause: new Error(reason) });
  }
}

/**
 * Turns whatever a driver throws into an error of ours. Its message and cause are put together anew: ioredis keeps the
 * command's arguments on its errors (owner tokens, even the password), and messages may quote them.
 *
 * @param driver which driver it was, where that is known
 */
export function unavailable(error: unknown, lockName?: string | null, driver?: string | null): AnyLockError {
  if (isLockError(error)) return error;
  if (replyCode(error) === 'WRONGTYPE') return new ForeignKeyError(lockName ?? null);
  const { reason, retryable } = explain(error);
  return new LockUnavailableError(`redis: ${reason}`, { backend: BACKEND, driver, lockName, retryable, cause: new Error(reason) });
}

/** How the failures of this backend compare. @param driverOf the driver's name, once it is known */
export const failureRulesOf = (driverOf: () => string | null): FailureRules => ({
  failureOf: (error, lockName, wasSent) =>
    wasSent ? unavailable(error, lockName, driverOf()) : told(unavailable(error, null, driverOf()), lockName, false),
  wasSent: (failure) => !isLockError(failure, 'LOCK_BACKEND_UNAVAILABLE') || failure.wasSent,
  isPermanent: (failure) => isLockError(failure, 'LOCK_BACKEND_UNAVAILABLE') && !failure.retryable,
  asSent: (failure) => (isLockError(failure) ? told(failure, failure.lockName, true) : failure),
});

/** Those of failures that name their driver already, or of which only the kind is asked. */
export const failureRules = failureRulesOf(() => null);

function told(error: AnyLockError, lockName: string | null, isSent: boolean): AnyLockError {
  if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) return error;
  const { message, retryable, cause, driver } = error;
  return new LockUnavailableError(message, { backend: BACKEND, driver, lockName, retryable, cause, wasSent: isSent });
}

/** What a request needs first, a connection, was not to be had: the request itself has not left this process. */
export function neverSent(error: unknown, driver: string | null): AnyLockError {
  const failure = unavailable(error, null, driver);
  return told(failure, failure.lockName, false);
}

/** An error of a wait: whether anything of it has left this process, whatever its last request was. */
export function ofWait(error: unknown, lockName: string, isSent: boolean): unknown {
  return isLockError(error) ? told(error, lockName, isSent) : error;
}

/** Whether a cluster refused because it is moving the slot to another node, where some of the keys may lie already. */
export function isMoving(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return /^(?:TRYAGAIN|ASK) |too many cluster redirections|non local key|'asking' command/i.test(error.message);
}

/** What a failed command calls for. */
export function verdictOf(error: unknown): Verdict {
  const code = replyCode(error);
  const isAnswer = isReply(error);
  // One key that has been moved, or is missing, costs the whole command.
  if (isMoving(error)) return { isAnswer: true, next: 'apart' };
  // A node of a cluster behind a plain client works as long as every command keeps to one slot.
  if (code === 'CROSSSLOT') return { isAnswer, next: 'by-route' };
  // A demoted master: the next connection may lead to the new one.
  return { isAnswer, next: code === 'READONLY' ? 'elsewhere' : 'fail' };
}

/** Whether the server did not know the script: it has not run. */
export function isNoScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT');
}

/** Whether an error is what a server has answered, and not what became of a connection. */
export function isReply(error: unknown): boolean {
  if (replyCode(error) !== null) return true;
  return error instanceof Error && (error.name === 'ReplyError' || error.message.startsWith('ERR '));
}

/** The first word of an error reply, also of one raised within a script. */
export function replyCode(error: unknown): string | null {
  return error instanceof Error ? (REPLY_CODES.exec(error.message)?.[1] ?? null) : null;
}

/** Whether an error tells more than that there is no connection. */
export function saysWhy(error: unknown): boolean {
  return replyCode(error) !== null || typeof (error as { code?: unknown } | null | undefined)?.code === 'string';
}

function explain(error: unknown): { readonly reason: string; readonly retryable: boolean } {
  if (!(error instanceof Error)) return { reason: 'the client failed', retryable: true };
  if (error instanceof ConnectionFault) return { reason: error.message, retryable: true };
  // A cluster that could not be reached says so in general, and why in this.
  const inner = (error as { lastNodeError?: unknown }).lastNodeError;
  if (inner instanceof Error) {
    return /Connection is closed/.test(inner.message)
      ? { reason: 'no node of the cluster can be reached', retryable: true }
      : explain(inner);
  }
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string' && /^[A-Z][A-Z0-9_]+$/.test(code)) {
    return { reason: `the connection failed (${code})`, retryable: !/CERT|_TLS_|_SSL_|EPROTO|SIGNATURE|ISSUER/.test(code) };
  }
  if (isMoving(error)) return { reason: FOR_NOW['TRYAGAIN'] ?? '', retryable: true };
  const reply = replyCode(error);
  if (reply !== null) {
    const permanent = FOR_GOOD[reply];
    if (permanent !== undefined) return { reason: `${permanent} (${reply})`, retryable: false };
    return { reason: `${FOR_NOW[reply]} (${reply})`, retryable: true };
  }
  return explainMessage(error.message);
}

function explainMessage(message: string): { readonly reason: string; readonly retryable: boolean } {
  if (/invalid password|without any password|no password is set|AUTH failed/i.test(message)) {
    return { reason: 'the server refused the password', retryable: false };
  }
  // What a script may not do is reported without a code: up to Redis 7.0, and since, and in Valkey.
  if (/user executing the script can't|ACL failure in script/i.test(message))
    return { reason: `${FOR_GOOD['NOPERM']} (NOPERM)`, retryable: false };
  if (/DB index is out of range|SELECT is not allowed/i.test(message))
    return { reason: 'the server does not have this database', retryable: false };
  if (/unknown (redis )?command\W+sentinel/i.test(message)) {
    return {
      reason: 'the server is no Sentinel, which has a port of its own (26379); use redis:// for the server itself',
      retryable: false,
    };
  }
  if (/unknown (redis )?command|syntax error/i.test(message)) {
    // A command within a script is reported without its name.
    const name = /unknown command ['"`]?([a-z]{2,20})\b/i.exec(message)?.[1];
    const command = name === undefined ? 'a command' : `the command ${name.toUpperCase()}`;
    return {
      reason: `the server does not know ${command}, which locking needs, or not in this form: it has to be Redis 6.2 or later, and the command must not be renamed or disabled there`,
      retryable: false,
    };
  }
  if (/cluster support disabled/i.test(message))
    return { reason: 'the server is not a cluster; use redis:// or a Redis client', retryable: false };
  if (/subscriber mode|monitoring mode|allowed in this context/i.test(message))
    return { reason: 'the client is in subscriber or monitoring mode', retryable: false };
  if (/maximum inflight/i.test(message))
    return { reason: 'the client takes no more requests at a time (inflightRequestsLimit)', retryable: true };
  if (/max number of clients/i.test(message)) return { reason: 'the server has no room for another connection', retryable: true };
  if (/timed? ?out/i.test(message)) return { reason: 'the server did not answer in time', retryable: true };
  if (
    /closed|close|ended|disconnect|offline|isn't writeable|not ready|max retries|None of startup nodes|root nodes|refresh slots|sentinel/i.test(
      message,
    )
  ) {
    return {
      reason: /sentinel/i.test(message) ? 'no sentinel named a master that can be reached' : 'the connection is closed',
      retryable: true,
    };
  }
  if (/user_script|running script|Script attempted/i.test(message))
    return { reason: 'the server failed in a script of Holdfast', retryable: true };
  return { reason: 'the server refused the command', retryable: true };
}

/** What a backend answers that is closed. */
export function closedError(): LockUnavailableError {
  return new LockUnavailableError('redis: the backend is closed', { backend: 'redis', retryable: false, wasSent: false });
}
