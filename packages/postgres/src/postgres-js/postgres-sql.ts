import { hasMethods } from '@holdfast/core/backend';

/**
 * What Holdfast needs of postgres.js, version 3.4 or later, as a type of its own: what `postgres(url)` makes fits. It is never ended, and
 * what is reserved of it goes back or is closed.
 */
export interface PostgresSql {
  /** Sends one statement, with a value for each parameter. */
  readonly unsafe: (text: string, values?: never[], options?: { readonly prepare?: boolean }) => PromiseLike<unknown>;
  /** Takes one connection for oneself. */
  readonly reserve: () => Promise<PostgresReservedSql>;
  /** Listens on a channel, by a connection that postgres.js keeps for that and makes anew. */
  readonly listen: (channel: string, onMessage: (payload: string) => void, onListening?: () => void) => PromiseLike<unknown>;
  /** What it was made with. */
  readonly options: {
    /** How many connections it may open. Locks need 2 of them. */
    readonly max: number;
  };
}

/** One connection of postgres.js. */
export interface PostgresReservedSql {
  /** Sends one statement on this connection. */
  readonly unsafe: PostgresSql['unsafe'];
  /** Gives the connection back. */
  readonly release: () => void;
}

/** The rest of what is used of postgres.js. */
export interface DriverSql {
  readonly unsafe: SendStatement;
  readonly typed: (value: string, type: number) => unknown;
  readonly reserve: () => Promise<ReservedSql>;
  readonly listen: (
    channel: string,
    onMessage: (payload: string) => void,
    onListening: () => void,
  ) => Promise<{ unlisten(): Promise<void> }>;
}

export interface ReservedSql {
  readonly unsafe: SendStatement;
  readonly release: () => void;
}

type SendStatement = (text: string, values: readonly unknown[], options: StatementOptions) => { raw(): PromiseLike<SqlResult> };

interface StatementOptions {
  /** Whether the statement is parsed once a connection. */
  readonly prepare: boolean;
  /** Is handed the connection that carries the statement. postgres.js begins its own transactions with it. */
  readonly onexecute?: (connection: SqlConnection) => boolean;
}

/** A connection as postgres.js itself has it. A statement on one that has closed would end the process, so its end must be known at once. */
export interface SqlConnection {
  /** Called once when it has closed, if nothing else has been put here. */
  onclose?: ((error: unknown) => void) | null;
  /** Whose it is, while it is somebody's: `sql.end()` would wait for a release that never comes. */
  reserved?: unknown;
  terminate(): void;
}

/** Rows of what the server sent; of several statements a list of results. */
export interface SqlResult extends ReadonlyArray<readonly (Uint8Array | null)[] | SqlResult> {
  /** The server process, as it was reported at the start. */
  readonly state?: { readonly pid?: number | null } | null;
}

/** What is wrong with the option `sql`; null where nothing is. A value is never shown. */
export function faultOfSql(value: unknown): string | null {
  if (hasMethods(value, 'unsafe', 'typed', 'reserve', 'listen', 'begin')) return faultOfSize((value as PostgresSql).options);
  const must = 'must be what postgres(url) of postgres.js 3.4 or later makes';
  if (hasMethods(value, 'savepoint')) return `${must}, not a transaction: an advisory lock outlives it`;
  if (hasMethods(value, 'unsafe', 'release')) return `${must}, not a connection that was reserved`;
  if (hasMethods(value, 'unsafe', 'listen', 'begin')) return `${must}; this is an older version, which reserves no connections`;
  if (hasMethods(value, 'unsafe', 'reserve', 'begin'))
    return `${must}; this looks like Bun.SQL, which listens on no channels: use postgres.js under Bun too`;
  if (hasMethods(value, 'query', 'connect')) return `${must}; a Pool of pg goes with pool`;
  if (hasMethods(value, 'PostgresError', 'toCamel')) return `${must}, not the module itself: call it with an address`;
  return must;
}

/** One connection is the session of the locks, and others are needed for moments. */
function faultOfSize(options: unknown): string | null {
  const max = (options as { readonly max?: unknown } | null | undefined)?.max;
  if (typeof max === 'number' && max >= 2) return null;
  return 'must have room for 2 connections or more: set max when you call postgres(url, { max })';
}
