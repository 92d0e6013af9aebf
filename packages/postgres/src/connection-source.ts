import type { Clock } from '@holdfast/core';
import { ServerClock } from '@holdfast/core/backend';
import { Borrower } from './borrower.js';
import { Connection, type Queryable } from './connection.js';
import { LeftSessions, lookAtProcess } from './left-sessions.js';
import { createClient } from './open-driver.js';
import type { DriverClient, PostgresPool } from './postgres-client.js';
import { closedError, unavailable } from './postgres-error.js';
import { within } from './within.js';

/** Where connections come from: the user's pool, or a connection string. */
export interface ConnectionSource {
  readonly clock: Clock;
  /** The server's clock as it is seen from here. */
  readonly serverClock: ServerClock;
  /** What it means that no connection has come in time. */
  readonly whenNotOpen: string;
  /** Whether each statement may run on a connection of its own, so that no transaction goes over several. */
  readonly isOneByOne?: boolean;
  /** Where connections of our own are made, and not taken from a pool of the user's. */
  readonly left?: LeftSessions;
  /** A connection of our own until it is given back or destroyed. @throws LockUnavailableError within `timeoutMs` */
  open(timeoutMs: number): Promise<Connection>;
  /** Runs `use` on a connection that may serve others before and after. One that fails is not used again. */
  borrow<T>(timeoutMs: number, use: (connection: Queryable) => Promise<T>): Promise<T>;
  close(): void;
}

/** A connection of what a pool is about to give. What the pool gives too late goes back at once. */
export async function connectionOf(
  client: Promise<{ release(): void }>,
  { clock, whenNotOpen }: Pick<ConnectionSource, 'clock' | 'whenNotOpen'>,
  timeoutMs: number,
): Promise<Connection> {
  try {
    const given = await within(clock, timeoutMs, whenNotOpen, client, (late) => late.release());
    return new Connection(given as unknown as DriverClient, clock);
  } catch (error) {
    throw unavailable(error);
  }
}

/** The user's pool: its size is a limit for us too, and it is never ended. */
export class PoolSource implements ConnectionSource {
  readonly clock: Clock;
  readonly serverClock = new ServerClock();
  readonly whenNotOpen = 'the pool had no connection to give: its size must leave room for those that locking needs';
  readonly #pool: PostgresPool;
  readonly #borrower: Borrower;

  constructor(pool: PostgresPool, clock: Clock) {
    this.#pool = pool;
    this.clock = clock;
    this.#borrower = new Borrower(
      (timeoutMs) => this.open(timeoutMs),
      (connection) => connection.giveBack(),
      clock,
    );
  }

  open(timeoutMs: number): Promise<Connection> {
    return connectionOf(this.#pool.connect(), this, timeoutMs);
  }

  borrow<T>(timeoutMs: number, use: (connection: Connection) => Promise<T>): Promise<T> {
    return this.#borrower.borrow(timeoutMs, use);
  }

  close(): void {
    this.#borrower.close();
  }
}

/** So many connections are kept for those who borrow. */
const MAX_KEPT = 2;

/** Connections of our own: made when they are needed. */
export class OwnSource implements ConnectionSource {
  readonly clock: Clock;
  readonly serverClock = new ServerClock();
  readonly whenNotOpen = 'the server could not be reached';
  readonly left: LeftSessions;
  readonly #connectionString: string;
  readonly #driverOptions: Readonly<Record<string, unknown>>;
  readonly #kept: Connection[] = [];
  readonly #borrower: Borrower;
  #isClosed = false;

  constructor(connectionString: string, driverOptions: Readonly<Record<string, unknown>>, clock: Clock) {
    this.left = new LeftSessions(clock);
    this.#connectionString = connectionString;
    this.#driverOptions = driverOptions;
    this.clock = clock;
    this.#borrower = new Borrower(
      (timeoutMs) => this.#keptOrNew(timeoutMs),
      (connection) => this.#keep(connection),
      clock,
    );
  }

  async open(timeoutMs: number): Promise<Connection> {
    if (this.#isClosed) throw closedError();
    const client = await createClient(this.#connectionString, this.#driverOptions);
    // An error event without a listener ends the process, also after we have given the client up.
    client.on('error', () => {});
    try {
      await within(this.clock, timeoutMs, this.whenNotOpen, client.connect());
    } catch (error) {
      client.end(() => {});
      client.connection?.stream?.destroy?.();
      throw unavailable(error);
    }
    const connection = new Connection(client, this.clock);
    if (!this.#isClosed) return connection;
    connection.destroy();
    throw closedError();
  }

  borrow<T>(timeoutMs: number, use: (connection: Connection) => Promise<T>): Promise<T> {
    return this.#borrower.borrow(timeoutMs, use);
  }

  close(): void {
    this.#isClosed = true;
    this.#borrower.close();
    this.left.close();
    for (const connection of this.#kept.splice(0)) connection.end();
  }

  async #keptOrNew(timeoutMs: number): Promise<Connection> {
    for (;;) {
      const kept = this.#kept.pop();
      if (kept === undefined) return this.#new(timeoutMs);
      if (!kept.isEnded) return kept;
    }
  }

  async #new(timeoutMs: number): Promise<Connection> {
    const endsAt = this.clock.now() + timeoutMs;
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop
      const connection = await this.#newOrLeft(Math.max(1, endsAt - this.clock.now()));
      if (connection !== null) return connection;
    }
  }

  /** null: a pooler has led there where a session of locks was left, which use would keep alive. */
  async #newOrLeft(timeoutMs: number): Promise<Connection | null> {
    const connection = await this.open(timeoutMs);
    try {
      const [row] = await within(this.clock, timeoutMs, 'the server did not answer', connection.query(lookAtProcess));
      if (this.left.keepIfLeft(connection, row)) return null;
      // A pooler answers from another process than it has named.
      connection.prepares = Number(row?.[0]) === connection.processId;
      return connection;
    } catch (error) {
      connection.destroy();
      throw unavailable(error);
    }
  }

  #keep(connection: Connection): void {
    if (this.#kept.length < MAX_KEPT && !this.#isClosed) this.#kept.push(connection);
    else connection.end();
  }
}
