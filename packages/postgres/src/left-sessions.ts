import type { Clock } from '@holdfast/core';
import type { Connection, Row } from './connection.js';
import { eq } from './operators.js';

/** What the channels of every namespace begin with. */
export const CHANNELS_BEGIN = 'holdfast_';

/** Whether the server process has a session of locks already. */
export const IS_OCCUPIED = `EXISTS (SELECT FROM pg_catalog.pg_listening_channels() AS channel WHERE pg_catalog.starts_with(channel, '${CHANNELS_BEGIN}'))`;

/** After how many ms the server ends the session when it is idle; NULL before PostgreSQL 14. */
export const IDLE_MS = `(SELECT setting FROM pg_catalog.pg_settings WHERE name ${eq} 'idle_session_timeout')`;

/** What `LeftSessions` must know of a session before it is used. */
export const lookAtProcess = { text: `SELECT pg_catalog.pg_backend_pid(), ${IS_OCCUPIED}, ${IDLE_MS}` };

/** So many take that many connections of a pool, for as long as a session may be idle. */
const MAX_KEPT = 4;
/** Beyond the time after which the server ends a session that is idle. */
const ENDING_MS = 2_000;

/**
 * Server sessions that a pooler has passed on as their clients had left them, with their locks and listeners (`server_reset_query`). Whether such a
 * client lives is not known, so its locks stay. The server ends a session of ours that is idle for long enough; each client to whom the pooler
 * hands the session begins that time anew. So each is kept here, without a word, until the server has ended it.
 */
export class LeftSessions {
  readonly #clock: Clock;
  readonly #kept = new Map<number, { readonly connection: Connection; readonly timer: { cancel(): void } }>();
  #isClosed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isEmpty(): boolean {
    return this.#kept.size === 0;
  }

  /** Whether the connection to this server process is kept here: a pooler by the session leads nobody else there. */
  has(processId: number): boolean {
    return this.#kept.has(processId);
  }

  /**
   * Keeps the connection where it was led to such a session. @param row the answer to `lookAtProcess`
   *
   * @returns false where it was not, and as `keep`
   */
  keepIfLeft(connection: Connection, row: Row | undefined): boolean {
    return row?.[1] === 't' && this.keep(connection, Number(row[0]), Number(row[2] ?? 0));
  }

  /**
   * @param idleMs after which the server ends the session; 0 for never
   * @returns false when there is no room for one more, or nothing is kept any more, and when a connection to this very process is kept: then the
   *   pooler is none by the session
   */
  keep(connection: Connection, processId: number, idleMs: number): boolean {
    if (this.#isClosed || this.#kept.size >= MAX_KEPT || this.#kept.has(processId)) return false;
    const timer = this.#clock.setTimer(idleMs + ENDING_MS, () => this.#end(processId));
    this.#kept.set(processId, { connection, timer });
    connection.onEnd(() => this.#end(processId));
    return true;
  }

  /** Hands all of them back to the pooler. */
  letGo(): void {
    for (const processId of [...this.#kept.keys()]) this.#end(processId);
  }

  /** Hands all of them back, and keeps none that a connection which is still being made leads to. */
  close(): void {
    this.#isClosed = true;
    this.letGo();
  }

  #end(processId: number): void {
    const kept = this.#kept.get(processId);
    if (kept === undefined) return;
    this.#kept.delete(processId);
    kept.timer.cancel();
    kept.connection.destroy();
  }
}
