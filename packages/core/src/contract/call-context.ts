import type { Clock } from './clock.js';

/** What comes with every call to a backend. */
export interface CallContext {
  /** After this core stops waiting for the promise; a backend may use it to give up on a silent connection. */
  readonly timeoutMs: number;
  /**
   * Aborts when core has stopped waiting: the caller aborted, the wait or the deadline ran out, the manager closes. Made when it is
   * first read: a copy of the context by `{ ...call }` does not have it.
   */
  readonly signal: AbortSignal;
  /**
   * Whether `signal` has aborted, for a backend that asks before it has anything to wait for: no signal is made for the question. A copy does
   * not have it either.
   * @default what `signal` says
   */
  readonly isEnded?: boolean | undefined;
  /** The manager's clock: a backend takes time from nowhere else. */
  readonly clock: Clock;
  /** With `wait` only: reports to core that the request stands behind others. See `tellsQueued`. */
  readonly onQueued?: (() => void) | undefined;
}
