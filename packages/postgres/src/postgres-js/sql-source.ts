import type { Clock } from '@holdfast/core';
import { ServerClock } from '@holdfast/core/backend';
import { Connection, type Queryable } from '../connection.js';
import type { ConnectionSource } from '../connection-source.js';
import { closedError, unavailable } from '../postgres-error.js';
import { within } from '../within.js';
import type { DriverSql, PostgresSql } from './postgres-sql.js';
import { ReservedClient } from './reserved-client.js';
import { runStatement } from './run-statement.js';
import { SqlEar } from './sql-ear.js';

/** What `postgres(url)` has made: its size is a limit for us too, and it is never ended. */
export class SqlSource implements ConnectionSource {
  readonly clock: Clock;
  readonly serverClock = new ServerClock();
  readonly whenNotOpen = 'postgres.js had no connection to give: its max must leave room for those that locking needs';
  readonly isOneByOne = true;
  readonly #sql: DriverSql;
  readonly #ear: SqlEar;
  readonly #statements: Queryable;
  #isClosed = false;

  constructor(sql: PostgresSql, clock: Clock) {
    this.#sql = sql as unknown as DriverSql;
    this.clock = clock;
    this.#ear = new SqlEar(this.#sql, clock);
    this.#statements = {
      processId: null,
      query: async (statement, values) => (await runStatement(this.#sql, this.#sql, statement, values)).rows,
    };
  }

  async open(timeoutMs: number): Promise<Connection> {
    try {
      const opening = ReservedClient.open(this.#sql, this.#ear);
      const client = await within(this.clock, timeoutMs, this.whenNotOpen, opening, (late) => late.release());
      return new Connection(client, this.clock);
    } catch (error) {
      throw unavailable(error);
    }
  }

  /** Nobody can take back what the driver was given: a request that comes late is refused by the server. */
  async borrow<T>(timeoutMs: number, use: (statements: Queryable) => Promise<T>): Promise<T> {
    if (this.#isClosed) throw closedError();
    return await within(this.clock, timeoutMs, 'the server did not answer', use(this.#statements));
  }

  close(): void {
    this.#isClosed = true;
    this.#ear.close();
  }
}
