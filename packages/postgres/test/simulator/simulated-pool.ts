import type { SimulatedClient } from '@holdfast/test/simulator';
import type { DriverClient, DriverQuery, DriverResult, PostgresPool, PostgresPoolClient } from '../../src/postgres-client.js';
import type { TableServer } from './table-server.js';

type Listener = (...values: never[]) => void;
type Answered = (error: Error | null, result?: DriverResult) => void;

/** A client of the pool: one statement at a time on a connection of its own. */
class PooledClient implements DriverClient, PostgresPoolClient {
  readonly processID = null;
  readonly #server: TableServer;
  readonly #client: SimulatedClient;
  readonly #onRelease: (client: PooledClient, isOver: boolean) => void;
  readonly #listeners = new Map<string, Set<Listener>>();

  constructor(server: TableServer, client: SimulatedClient, onRelease: (client: PooledClient, isOver: boolean) => void) {
    this.#server = server;
    this.#client = client;
    this.#onRelease = onRelease;
  }

  async connect(): Promise<void> {}
  end(callback?: () => void): void {
    callback?.();
  }

  query(text: string): Promise<unknown>;
  query(query: DriverQuery, answered: Answered): unknown;
  query(query: DriverQuery | string, answered?: Answered): unknown {
    if (typeof query === 'string') return Promise.resolve();
    this.#server.ask(this.#client, query.text, query.values ?? []).then(
      (rows) => answered?.(null, { rows }),
      (error: Error) => {
        for (const listener of [...(this.#listeners.get('error') ?? [])]) listener(...([error] as never[]));
        answered?.(error);
      },
    );
    return undefined;
  }

  release(isOver = false): void {
    this.#onRelease(this, isOver);
  }

  on(event: string, listener: Listener): void {
    const listeners = this.#listeners.get(event);
    if (listeners === undefined) this.#listeners.set(event, new Set([listener]));
    else listeners.add(listener);
  }
  removeListener(event: string, listener: Listener): void {
    this.#listeners.get(event)?.delete(listener);
  }
  removeAllListeners(event: string): void {
    this.#listeners.delete(event);
  }
}

/** A pool as `pg` has it. */
export class SimulatedPool implements PostgresPool {
  readonly #server: TableServer;
  readonly #client: SimulatedClient;
  readonly #idle: PooledClient[] = [];
  totalCount = 0;

  constructor(server: TableServer, client: SimulatedClient) {
    this.#server = server;
    this.#client = client;
  }

  async connect(): Promise<PostgresPoolClient> {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    this.totalCount += 1;
    await new Promise<void>((resolve) => this.#server.connecting(this.#client, resolve));
    return new PooledClient(this.#server, this.#client, (client, isOver) => {
      if (isOver) this.totalCount -= 1;
      else this.#idle.push(client);
    });
  }

  async end(): Promise<void> {}
}
