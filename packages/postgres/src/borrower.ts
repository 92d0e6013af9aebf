import type { Clock } from '@holdfast/core';
import type { Connection } from './connection.js';
import { eq } from './operators.js';
import { beforeSending, closedError, sqlState, unavailableBecause } from './postgres-error.js';
import { within } from './within.js';

/** So many statements are under way at a time; the others stand in line. */
const MAX_BORROWED = 4;
/** Of the time that a call has: so that the one who asked hears what was missing. */
const SHARE = 0.9;

/** Ends what waits for a standby to confirm a commit: it would wait for as long as the standby is gone, for nobody. */
const END_WAITING = `SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
  WHERE pid ${eq} ANY($1::pg_catalog.int4[]) AND wait_event ${eq} 'SyncRep' AND usename ${eq} current_user`;

/** Lends connections for a statement each, few at a time. */
export class Borrower {
  readonly #open: (timeoutMs: number) => Promise<Connection>;
  readonly #giveBack: (connection: Connection) => void;
  readonly #clock: Clock;
  readonly #queue: (() => void)[] = [];
  /** Server processes whose connections were given up: they may still be at it. */
  readonly #abandoned = new Set<number>();
  #borrowed = 0;
  #isClosed = false;

  constructor(open: (timeoutMs: number) => Promise<Connection>, giveBack: (connection: Connection) => void, clock: Clock) {
    this.#open = open;
    this.#giveBack = giveBack;
    this.#clock = clock;
  }

  async borrow<T>(timeoutMs: number, use: (connection: Connection) => Promise<T>): Promise<T> {
    const end = this.#clock.now() + SHARE * timeoutMs;
    const left = (): number => Math.max(1, Math.ceil(end - this.#clock.now()));
    await beforeSending(this.#turn(left()));
    try {
      const connection = await beforeSending(this.#open(left()));
      try {
        const used = this.#endAbandoned(connection).then(() => use(connection));
        const value = await within(this.#clock, left(), 'the server did not answer', used);
        if (!connection.isEnded) this.#giveBack(connection);
        return value;
      } catch (error) {
        connection.destroy();
        if (sqlState(error) === null && connection.processId !== null) this.#abandoned.add(connection.processId);
        throw error;
      }
    } finally {
      this.#borrowed -= 1;
      this.#queue.shift()?.();
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const go of this.#queue.splice(0)) go();
  }

  /** So that however often something is asked for in vain, few processes of the server are at it. */
  async #endAbandoned(connection: Connection): Promise<void> {
    if (this.#abandoned.size === 0) return;
    const processIds = [...this.#abandoned];
    this.#abandoned.clear();
    await connection.query({ text: END_WAITING }, [`{${processIds.join(',')}}`]);
  }

  async #turn(timeoutMs: number): Promise<void> {
    if (this.#isClosed) throw closedError();
    if (this.#borrowed >= MAX_BORROWED) {
      await new Promise<void>((resolve, reject) => {
        const go = (): void => {
          timer.cancel();
          resolve();
        };
        const timer = this.#clock.setTimer(timeoutMs, () => {
          const place = this.#queue.indexOf(go);
          if (place >= 0) this.#queue.splice(place, 1);
          reject(unavailableBecause(`all connections were busy for ${timeoutMs} ms`));
        });
        this.#queue.push(go);
      });
      if (this.#isClosed) throw closedError();
    }
    this.#borrowed += 1;
  }
}
