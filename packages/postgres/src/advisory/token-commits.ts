import type { Clock } from '@holdfast/core';
import { setAnswerDeadline } from '@holdfast/core/backend';
import type { Connection } from '../connection.js';
import type { ConnectionSource } from '../connection-source.js';
import { closedError, unavailable, unavailableBecause } from '../postgres-error.js';
import { within } from '../within.js';
import type { ServerProcess } from './session-settings.js';
import { commitToken, endPredecessor, lookAtSession } from './statements.js';

const OPEN_MS = 3_000;
/** A commit that is unanswered for so long may be one whose connection is gone. */
const GIVE_UP_MS = 30_000;

interface Waiting {
  resolve(): void;
  reject(error: unknown): void;
}

/**
 * Commits fencing tokens where standbys have to confirm them. Such a commit waits for as long as the standby is gone, and the server does not
 * even notice meanwhile that its client has died: so none is ever made in a session that holds locks. One connection of its own
 * makes them, one at a time, each for all tokens that were drawn before it began.
 */
export class TokenCommits {
  readonly #source: ConnectionSource;
  readonly #clock: Clock;
  #connection: Connection | null = null;
  /** Who serves the connection, or served one that was given up and has not been ended. */
  #process: ServerProcess | null = null;
  #waiting = new Set<Waiting>();
  #isRunning = false;
  #isClosed = false;

  constructor(source: ConnectionSource) {
    this.#source = source;
    this.#clock = source.clock;
  }

  /** The process of a commit that has not been answered: it stands on the server for as long as nobody ends it. */
  get pending(): ServerProcess | null {
    return this.#isRunning ? this.#process : null;
  }

  /**
   * Resolves when a commit that began after this call has been confirmed.
   *
   * @param durability the synchronous_commit to commit with
   * @throws LockUnavailableError when it was not in `timeoutMs`
   */
  commit(durability: string, timeoutMs: number): Promise<void> {
    if (this.#isClosed) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      const timer = setAnswerDeadline(this.#clock, timeoutMs, () => end(() => reject(unconfirmed(Math.round(timeoutMs)))));
      const end = (tell: () => void): void => {
        timer.cancel();
        this.#waiting.delete(waiting);
        tell();
      };
      const waiting: Waiting = { resolve: () => end(resolve), reject: (error) => end(() => reject(error)) };
      this.#waiting.add(waiting);
      void this.#run(durability);
    });
  }

  close(): void {
    this.#isClosed = true;
    for (const waiting of [...this.#waiting]) waiting.reject(closedError());
    if (this.#isRunning) this.#connection?.destroy();
    else this.#connection?.leave();
    this.#connection = null;
  }

  /** Never rejects. */
  async #run(durability: string): Promise<void> {
    if (this.#isRunning) return;
    this.#isRunning = true;
    while (this.#waiting.size > 0 && !this.#isClosed) {
      const batch = [...this.#waiting];
      try {
        const connection = await this.#open();
        await within(this.#clock, GIVE_UP_MS, 'a commit was not answered', connection.query(commitToken, [durability]));
        for (const waiting of batch) waiting.resolve();
      } catch (error) {
        this.#connection?.destroy();
        this.#connection = null;
        for (const waiting of batch) waiting.reject(unavailable(error));
      }
    }
    this.#isRunning = false;
  }

  async #open(): Promise<Connection> {
    if (this.#connection !== null && !this.#connection.isEnded) return this.#connection;
    const connection = await this.#source.open(OPEN_MS);
    this.#connection = connection;
    const predecessor = this.#process;
    const [row] = await within(this.#clock, OPEN_MS, 'the server did not answer', connection.query(lookAtSession));
    if (predecessor !== null) {
      const values = [String(predecessor.processId), predecessor.startedAt];
      await within(this.#clock, OPEN_MS, 'the server did not answer', connection.query(endPredecessor, values));
    }
    this.#process = { processId: Number(row?.[0]), startedAt: row?.[4] ?? '0' };
    if (this.#isClosed) throw closedError();
    return connection;
  }
}

function unconfirmed(timeoutMs: number): Error {
  return unavailableBecause(
    `the fencing token could not be committed within ${timeoutMs} ms: no standby of synchronous_standby_names confirms what is written`,
  );
}
