import type { Clock } from '@holdfast/core';
import type { Connection } from './connection.js';
import { beforeSending, closedError, unavailableBecause } from './postgres-error.js';
import { within } from './within.js';

/** So many statements are under way at a time; the others stand in line. */
const MAX_BORROWED = 4;
/** Of the time that a call has: so that whoever asked is told what was missing. */
const SHARE = 0.9;

/** Lends connections for a statement each, few at a time. */
export class Borrower {
  readonly #open: (timeoutMs: number) => Promise<Connection>;
  readonly #giveBack: (connection: Connection) => void;
  readonly #clock: Clock;
  readonly #queue: (() => void)[] = [];
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
        const value = await within(this.#clock, left(), 'the server did not answer', use(connection));
        if (!connection.isEnded) this.#giveBack(connection);
        return value;
      } catch (error) {
        connection.destroy();
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
