import type { Clock } from '@holdfast/core';
import type { Connection } from '../connection.js';

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
   * @param idleMs after which the server ends the session; 0 for never
   * @returns false when there is no room for one more
   */
  keep(connection: Connection, processId: number, idleMs: number): boolean {
    if (this.#kept.size >= MAX_KEPT) return false;
    const timer = this.#clock.setTimer(idleMs + ENDING_MS, () => this.#end(processId));
    this.#kept.set(processId, { connection, timer });
    connection.onEnd(() => this.#end(processId));
    return true;
  }

  /** Hands all of them back to the pooler. */
  letGo(): void {
    for (const processId of [...this.#kept.keys()]) this.#end(processId);
  }

  #end(processId: number): void {
    const kept = this.#kept.get(processId);
    if (kept === undefined) return;
    this.#kept.delete(processId);
    kept.timer.cancel();
    kept.connection.destroy();
  }
}
