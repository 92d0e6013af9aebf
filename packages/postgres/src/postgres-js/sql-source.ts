import type { Clock } from '@holdfast/core';
import type { Connection } from '../connection.js';
import { connectionOf } from '../connection-source.js';
import { StatementSource } from '../statement-source.js';
import type { DriverSql, PostgresSql } from './postgres-sql.js';
import { ReservedClient } from './reserved-client.js';
import { runStatement } from './run-statement.js';
import { SqlEar } from './sql-ear.js';

/** What `postgres(url)` has made: its size is a limit for us too, and it is never ended. */
export class SqlSource extends StatementSource {
  readonly whenNotOpen = 'postgres.js had no connection to give: its max must leave room for those that locking needs';
  readonly #sql: DriverSql;
  readonly #ear: SqlEar;

  constructor(given: PostgresSql, clock: Clock) {
    const sql = given as unknown as DriverSql;
    super(clock, async (statement, values) => (await runStatement(sql, sql, statement, values)).rows);
    this.#sql = sql;
    this.#ear = new SqlEar(sql, clock);
  }

  open(timeoutMs: number): Promise<Connection> {
    return connectionOf(ReservedClient.open(this.#sql, this.#ear), this, timeoutMs);
  }

  override close(): void {
    super.close();
    this.#ear.close();
  }
}
