import { Connection } from './connection.js';
import { createClient } from './open-driver.js';
import type { DriverClient, PostgresPool } from './postgres-client.js';
import { closedError, unavailable } from './postgres-error.js';
import { within } from './within.js';

/** Where connections come from: the user's pool, or a connection string. */
export interface ConnectionSource {
  /** A connection of our own until it is given back or destroyed. @throws LockUnavailableError within `timeoutMs` */
  open(timeoutMs: number): Promise<Connection>;
  /** Runs `use` on a connection that may serve others before and after. One that fails is not used again. */
  borrow<T>(timeoutMs: number, use: (connection: Connection) => Promise<T>): Promise<T>;
  close(): void;
}

/** The user's pool: its size is a limit for us too, and it is never ended. */
export class PoolSource implements ConnectionSource {
  readonly #pool: PostgresPool;

  constructor(pool: PostgresPool) {
    this.#pool = pool;
  }

  async open(timeoutMs: number): Promise<Connection> {
    try {
      const client = await within(timeoutMs, 'the pool had no connection to give', this.#pool.connect(), (late) => late.release());
      return new Connection(client as unknown as DriverClient);
    } catch (error) {
      throw unavailable(error);
    }
  }

  async borrow<T>(timeoutMs: number, use: (connection: Connection) => Promise<T>): Promise<T> {
    const connection = await this.open(timeoutMs);
    try {
      const value = await within(timeoutMs, 'the server did not answer', use(connection));
      connection.giveBack();
      return value;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  close(): void {}
}

/** Connections of our own: made when they are needed. One is kept for those who borrow. */
export class OwnSource implements ConnectionSource {
  readonly #connectionString: string;
  readonly #driverOptions: Readonly<Record<string, unknown>>;
  #idle: Connection | null = null;
  #isClosed = false;

  constructor(connectionString: string, driverOptions: Readonly<Record<string, unknown>>) {
    this.#connectionString = connectionString;
    this.#driverOptions = driverOptions;
  }

  async open(timeoutMs: number): Promise<Connection> {
    if (this.#isClosed) throw closedError();
    const client = await createClient(this.#connectionString, this.#driverOptions);
    // An error event without a listener ends the process, also after we have given the client up.
    client.on('error', () => {});
    try {
      await within(timeoutMs, 'the server could not be reached', client.connect());
    } catch (error) {
      client.end(() => {});
      client.connection?.stream?.destroy?.();
      throw unavailable(error);
    }
    const connection = new Connection(client);
    if (!this.#isClosed) return connection;
    connection.destroy();
    throw closedError();
  }

  async borrow<T>(timeoutMs: number, use: (connection: Connection) => Promise<T>): Promise<T> {
    const kept = this.#idle;
    this.#idle = null;
    const connection = kept !== null && !kept.isEnded ? kept : await this.open(timeoutMs);
    try {
      const value = await within(timeoutMs, 'the server did not answer', use(connection));
      if (this.#idle === null && !this.#isClosed) this.#idle = connection;
      else connection.destroy();
      return value;
    } catch (error) {
      connection.destroy();
      throw error;
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#idle?.destroy();
    this.#idle = null;
  }
}
