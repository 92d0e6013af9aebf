import type { DriverClient, DriverQuery, DriverResult } from '../postgres-client.js';
import { sqlState, unavailableBecause } from '../postgres-error.js';
import type { DriverSql, ReservedSql, SqlConnection } from './postgres-sql.js';
import { runStatement } from './run-statement.js';
import type { SqlEar } from './sql-ear.js';

/** One connection that postgres.js has reserved for us, as a client of `pg` would be one. */
export class ReservedClient implements DriverClient {
  processID: number | null = null;
  readonly #listeners = new Map<string, Set<(value: never) => void>>();
  readonly #sql: DriverSql;
  readonly #reserved: ReservedSql;
  readonly #ear: SqlEar;
  readonly #hearing: { close(): void };
  #connection: SqlConnection | null = null;
  /** It has closed, or is not ours any more: a further statement on it would end the process, and its release would hand it to others. */
  #isOver = false;

  private constructor(sql: DriverSql, reserved: ReservedSql, ear: SqlEar) {
    this.#sql = sql;
    this.#reserved = reserved;
    this.#ear = ear;
    this.#hearing = ear.add({
      onMessage: (channel, payload) => this.#emit('notification', { channel, payload, processId: 0 }),
      onListening: (channel) => this.#emit('listening', channel),
    });
  }

  /** Reserves a connection. It may never settle where all are in use; what comes too late is to be released. */
  static async open(sql: DriverSql, ear: SqlEar): Promise<ReservedClient> {
    // Says what is wrong with the server or the address. A reservation would keep its place in the line of the driver when no connection can be made, and
    // the connection that comes in the end would be nobody's.
    await runStatement(sql, sql, { text: 'SELECT 1' });
    const client = new ReservedClient(sql, await sql.reserve(), ear);
    try {
      await client.#take();
      return client;
    } catch (error) {
      client.release(true);
      throw error;
    }
  }

  query({ text, values, name }: DriverQuery, callback: (error: Error | null, result?: DriverResult) => void): void {
    if (this.#isOver) return callback(new Error('Connection terminated'));
    runStatement(this.#sql, this.#reserved, { text, ...(name !== undefined && { name }) }, values).then(
      ({ rows }) => callback(null, { rows }),
      (reason: unknown) => {
        const error = reason instanceof Error ? reason : new Error('the statement failed');
        // The driver says later that the connection has closed; the caller that hears of the failure must know it by then.
        if (sqlState(error) === null && !this.#isOver) this.#emit('error', error);
        callback(error);
      },
    );
  }

  on(event: string, listener: (...values: never[]) => void): void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
  }

  removeListener(event: string, listener: (...values: never[]) => void): void {
    this.#listeners.get(event)?.delete(listener);
  }

  removeAllListeners(event: string): void {
    this.#listeners.delete(event);
  }

  /** Listens beside the connections that statements go over. */
  listen(channel: string): Promise<void> {
    return this.#ear.listen(channel);
  }

  release(destroy = false): void {
    this.#hearing.close();
    if (this.#isOver) return;
    this.#isOver = true;
    const connection = this.#connection;
    if (connection !== null) connection.onclose = null;
    if (!destroy || connection === null) return this.#reserved.release();
    connection.reserved = null;
    connection.terminate();
  }

  end(): void {
    this.release(true);
  }

  /** Finds the connection itself, whose end the driver reports in no other way. */
  async #take(): Promise<void> {
    const { processId } = await runStatement(this.#sql, this.#reserved, { text: 'SELECT 1' }, [], (connection) => {
      this.#connection = connection;
      connection.onclose = () => this.#closed();
      return true;
    });
    if (typeof this.#connection?.terminate !== 'function' || processId === null) {
      throw unavailableBecause('this version of postgres.js is not known: 3.4 is', { retryable: false });
    }
    this.processID = processId;
  }

  #emit(event: string, value: unknown): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) listener(value as never);
  }

  #closed(): void {
    this.#isOver = true;
    this.#hearing.close();
    this.#emit('end', undefined);
  }
}
