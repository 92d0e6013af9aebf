import { hasMethods } from '@holdfast/core/backend';

/**
 * What Holdfast needs of a connection pool, as a type of its own: a `pg` `Pool`, version 8, fits. A pool that was passed
 * in is never ended; what is taken out of it goes back or is closed.
 */
export interface PostgresPool {
  /** Takes a client out of the pool. */
  connect(): Promise<PostgresPoolClient>;
  /** How many clients there are; by it a pool is distinguished from a client. */
  readonly totalCount: number;
}

/** A client of a pool. */
export interface PostgresPoolClient {
  /** Sends one statement. */
  query(text: string): Promise<unknown>;
  /** Gives the client back; with `destroy` its connection is closed. */
  release(destroy?: boolean): void;
}

/** One statement as the driver takes it. `types` keeps values as the text that the server sent, whatever the user has set. */
export interface DriverQuery {
  readonly text: string;
  readonly values?: readonly string[];
  readonly name?: string;
  readonly rowMode: 'array';
  readonly types: { getTypeParser(): (value: string) => string };
}

/** A message by NOTIFY. */
export interface DriverNotification {
  readonly channel: string;
  readonly payload?: string;
  readonly processId: number;
}

/** The rest of what is used of a client of `pg`. */
export interface DriverClient {
  /** The process that serves this client, as it was reported at the start. A pooler tells another. */
  readonly processID?: number | null;
  /** What its options and its connection string came to. */
  readonly connectionParameters?: Readonly<Record<string, unknown>>;
  /** Whether values come in the binary format. */
  binary?: unknown;
  readonly connection?: { readonly stream?: { destroy?(): void; resetAndDestroy?(): void } };
  query(query: DriverQuery, callback: (error: Error | null, result?: DriverResult | readonly DriverResult[]) => void): unknown;
  end(callback?: () => void): unknown;
  on(event: string, listener: (...values: never[]) => void): unknown;
  removeListener(event: string, listener: (...values: never[]) => void): unknown;
  removeAllListeners(event: string): unknown;
  ref?(): void;
  unref?(): void;
  /** Where what listens is not this connection: resolves when the server has confirmed it, which may be never. Reported as `listening` each time. */
  listen?(channel: string): Promise<void>;
  /** Of a pool's client only. */
  release?(destroy?: boolean): void;
}

/** A client that has not begun to connect. */
export interface NewDriverClient extends DriverClient {
  connect(): Promise<unknown>;
}

export interface DriverResult {
  readonly rows: readonly (readonly (string | null)[])[];
}

/** What is wrong with the option `pool`; null where nothing is. A value is never shown. */
export function faultOfPool(value: unknown): string | null {
  const must = 'must be a Pool of pg 8';
  if (!hasMethods(value, 'connect', 'end')) {
    if (hasMethods(value, 'unsafe')) return `${must}; what postgres.js makes goes with sql`;
    if (hasMethods(value, 'query')) return `${must}; this is a client that a pool has given: pass the pool`;
    return must;
  }
  const { totalCount, ended } = value as { readonly totalCount?: unknown; readonly ended?: unknown };
  if (typeof totalCount !== 'number') return `${must}: a single Client is not enough`;
  // It would refuse every call.
  return ended === true ? `${must} that has not been ended` : null;
}
