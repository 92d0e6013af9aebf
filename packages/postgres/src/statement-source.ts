import type { Clock } from '@holdfast/core';
import { ServerClock } from '@holdfast/core/backend';
import type { Connection, Queryable } from './connection.js';
import type { ConnectionSource } from './connection-source.js';
import { closedError } from './postgres-error.js';
import { within } from './within.js';

/** A source that hands single statements on, each perhaps to a connection of its own. */
export abstract class StatementSource implements ConnectionSource {
  readonly clock: Clock;
  readonly serverClock = new ServerClock();
  abstract readonly whenNotOpen: string;
  readonly isOneByOne = true;
  readonly #statements: Queryable;
  #isClosed = false;

  constructor(clock: Clock, query: Queryable['query']) {
    this.clock = clock;
    this.#statements = { processId: null, query };
  }

  abstract open(timeoutMs: number): Promise<Connection>;

  /** Nobody can take back what was handed on: a request that comes late is refused by the server. */
  async borrow<T>(timeoutMs: number, use: (statements: Queryable) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw closedError();
    return await within(this.clock, timeoutMs, 'the server did not answer', use(this.#statements));
  }

  close(): void {
    this.#isClosed = true;
  }
}
