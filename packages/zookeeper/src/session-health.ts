/** How often in its time a session is looked at. */
const CHECKS = 15;
const MOST_SILENT_MS = 5000;
/** The longest that a server may take for the answer to a handshake. */
export const MOST_HANDSHAKE_MS = 2000;

/** What is known of a session at a check, times in milliseconds. */
export interface SessionHealth {
  readonly timeoutMs: number;
  /** Since the sending of the last write that was acknowledged. */
  readonly unwrittenMs: number;
  /** For how long the oldest request has been waiting for its answer; null without a connection. */
  readonly silentMs: number | null;
  /** Whether the connection serves all. */
  readonly isServing: boolean;
  /** The check is late. A process that stood still finds the answers behind its timers: they are not late. */
  readonly stoodStill: boolean;
}

/** For how long after the sending of an acknowledged write a session may be believed in. */
export function believedMsOf(timeoutMs: number): number {
  return Math.floor((timeoutMs * 2) / 3);
}

/** How long a server may take for the answer to a handshake: all are to be tried within half of the session's time. */
export function handshakeMs(timeoutMs: number, servers: number): number {
  return Math.min(MOST_HANDSHAKE_MS, Math.max(100, Math.floor(timeoutMs / (2 * servers))));
}

/** The time between two checks. */
export function checkEveryMs(timeoutMs: number): number {
  return Math.max(20, timeoutMs / CHECKS);
}

/**
 * What is due: to give the session up, to drop the connection, to write, or nothing.
 *
 * A fifth without a write, a fifth without an answer, a fifteenth each until it is noticed: less than the two thirds, so
 * that there is time to find another server. And the leader, who may count from the contact before the last, counts from
 * late enough.
 */
export function dueOf({ timeoutMs, unwrittenMs, silentMs, isServing, stoodStill }: SessionHealth): 'abandon' | 'drop' | 'write' | null {
  if (unwrittenMs >= believedMsOf(timeoutMs)) return 'abandon';
  if (silentMs === null || stoodStill) return null;
  if (silentMs >= Math.min(timeoutMs / 5, MOST_SILENT_MS)) return 'drop';
  return isServing && unwrittenMs >= timeoutMs / 5 ? 'write' : null;
}
