import type { Capabilities } from './contract/capabilities.js';
import type { FencingToken, LostReason } from './contract/lease.js';
import type { HolderState } from './contract/state.js';
import { toJsonValue } from './json.js';

export type { LostReason };

/** Which error class carries which code. */
export interface LockErrors {
  /** The wait ran out while others held the lock. */
  LOCK_TIMEOUT: LockTimeoutError;
  /** The hold ended while it was in use. */
  LOCK_LOST: LockLostError;
  /** The store was not reached in time, refused, or is not configured as it must be. */
  LOCK_BACKEND_UNAVAILABLE: LockUnavailableError;
  /** A running task waits for what it still holds. */
  LOCK_REENTRY: LockReentryError;
  /** An argument or option breaks its rule. */
  LOCK_INVALID_ARGUMENT: LockArgumentError;
  /** The backend cannot do this. */
  LOCK_UNSUPPORTED: LockUnsupportedError;
  /** The manager is closed or closing. */
  LOCK_CLOSED: LockClosedError;
  /** A resource has seen a higher fencing token than that of the lease. */
  LOCK_STALE_TOKEN: StaleTokenError;
}
/** The stable codes; docs/errors.md has a heading for each. */
export type LockErrorCode = keyof LockErrors;
/** Any error of Holdfast. */
export type AnyLockError = LockErrors[LockErrorCode];

/** What every error may say about where it happened. */
export interface LockErrorDetails {
  /** Which name the call was about. */
  readonly lockName?: string | null | undefined;
  /** The name of the backend. */
  readonly backend?: string | null | undefined;
  /** Must not carry secrets: a driver's error is stripped of commands and URLs before it is put here. */
  readonly cause?: unknown;
}

// Recognises our errors over duplicated installs and realms, where instanceof would not.
const brand = Symbol.for('holdfast.LockError');

/** What all errors of Holdfast have in common: a stable `code`, and where it happened. */
export abstract class LockError extends Error {
  /** What happened: branch on this, never on the message. */
  abstract readonly code: LockErrorCode;
  /** The lock's name; not `name`, which is Error's own. */
  readonly lockName: string | null;
  /** The name of the backend, such as `redis`; null where no backend was asked. */
  readonly backend: string | null;

  constructor(message: string, details: LockErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.lockName = details.lockName ?? null;
    this.backend = details.backend ?? null;
    Object.defineProperty(this, brand, { value: true });
  }

  /** All own fields with bigints as decimal strings; the cause as its message. */
  toJSON(): Record<string, unknown> {
    const json = toJsonValue(Object.fromEntries([...Object.entries(this), ['message', this.message]])) as Record<string, unknown>;
    if (this.cause !== undefined) json['cause'] = this.cause instanceof Error ? this.cause.message : 'unknown';
    return json;
  }
}

/** The wait ran out while others held it. */
export class LockTimeoutError extends LockError {
  override readonly code = 'LOCK_TIMEOUT';
  /** How long it waited, in milliseconds. */
  readonly waitedMs: number;
  /** Best effort: who had it when we gave up. */
  readonly holders: readonly HolderState[];

  constructor(message: string, details: LockErrorDetails & { readonly waitedMs: number; readonly holders?: readonly HolderState[] }) {
    super(message, details);
    this.waitedMs = details.waitedMs;
    this.holders = details.holders ?? [];
  }
}

/** The hold was lost, or had ended. */
export class LockLostError extends LockError {
  override readonly code = 'LOCK_LOST';
  /** Why; docs/errors.md says of each what to do. */
  readonly reason: LostReason;
  /** That of the hold that was lost; null where it had none. */
  readonly fencingToken: FencingToken;
  /** Set by withLock, withAll and withPermits: how the task ended after the loss. */
  declare readonly outcome?: PromiseSettledResult<unknown>;

  constructor(
    message: string,
    details: LockErrorDetails & {
      readonly reason: LostReason;
      readonly fencingToken?: FencingToken;
      readonly outcome?: PromiseSettledResult<unknown>;
    },
  ) {
    super(message, details);
    this.reason = details.reason;
    this.fencingToken = details.fencingToken ?? null;
    if (details.outcome !== undefined) this.outcome = details.outcome;
  }
}

/** The store was not reached in time, refused, or is not configured as it must be. Never used for "busy". */
export class LockUnavailableError extends LockError {
  override readonly code = 'LOCK_BACKEND_UNAVAILABLE';
  /** false: wrong password, missing permission, refused configuration: waiting cannot help, so nothing waits. */
  readonly retryable: boolean;
  /**
   * false: the request never left this process, so the store has nothing of it and nothing has to be undone. A backend says so
   * only when it is certain; otherwise it is true.
   */
  readonly wasSent: boolean;
  /** The package by which the backend reaches its store, such as `ioredis`; left out where the backend has no choice of drivers. */
  declare readonly driver?: string;

  constructor(
    message: string,
    details: LockErrorDetails & {
      readonly retryable?: boolean;
      readonly wasSent?: boolean;
      /** The message ends with it, so that a log names the driver too. */
      readonly driver?: string | null | undefined;
    } = {},
  ) {
    const { driver } = details;
    super(withDriver(message, driver), details);
    if (typeof driver === 'string') this.driver = driver;
    this.retryable = details.retryable ?? true;
    this.wasSent = details.wasSent ?? true;
  }
}

/** An error that is made anew has the driver in its message already. */
function withDriver(message: string, driver: string | null | undefined): string {
  const addition = ` (driver: ${driver})`;
  return typeof driver !== 'string' || message.includes(addition) ? message : message + addition;
}

/** A running task waits for what it still holds: it would wait for itself. */
export class LockReentryError extends LockError {
  override readonly code = 'LOCK_REENTRY';
}

/** An argument or option breaks its rule; reported before any I/O. */
export class LockArgumentError extends LockError {
  override readonly code = 'LOCK_INVALID_ARGUMENT';
  /** The argument or option that is wrong. */
  readonly option: string;

  constructor(message: string, details: LockErrorDetails & { readonly option: string }) {
    super(message, details);
    this.option = details.option;
  }
}

/** The backend cannot do this. */
export class LockUnsupportedError extends LockError {
  override readonly code = 'LOCK_UNSUPPORTED';
  /** What it would have needed, by its name in `capabilities`. */
  readonly capability: keyof Capabilities;

  constructor(message: string, details: LockErrorDetails & { readonly capability: keyof Capabilities }) {
    super(message, details);
    this.capability = details.capability;
  }
}

/** The manager is closed or closing. */
export class LockClosedError extends LockError {
  override readonly code = 'LOCK_CLOSED';
}

/** A resource has seen a later holder of the lock: what was to be written must not be. Raised where tokens are compared, by `@holdfast/fencing`. */
export class StaleTokenError extends LockError {
  override readonly code = 'LOCK_STALE_TOKEN';
  /** That of the lease. */
  readonly fencingToken: bigint;
  /** The higher one that the resource has seen. */
  readonly seenToken: bigint;

  constructor(message: string, details: LockErrorDetails & { readonly fencingToken: bigint; readonly seenToken: bigint }) {
    super(message, details);
    this.fencingToken = details.fencingToken;
    this.seenToken = details.seenToken;
  }
}

/** Recognises an error of Holdfast, also one that another copy of the package made; with `code`, one of that kind. */
export function isLockError(error: unknown): error is AnyLockError;
export function isLockError<C extends LockErrorCode>(error: unknown, code: C): error is LockErrors[C];
export function isLockError(error: unknown, code?: LockErrorCode): boolean {
  if (typeof error !== 'object' || error === null) return false;
  try {
    return brand in error && (code === undefined || (error as { code?: unknown }).code === code);
  } catch {
    // A proxy that cannot be looked at: anything can be thrown, and be the reason of a signal.
    return false;
  }
}
