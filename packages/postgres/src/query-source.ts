import type { Clock } from '@holdfast/core';
import type { Connection, Row, Statement } from './connection.js';
import { sqlState, unavailableBecause } from './postgres-error.js';
import { StatementSource } from './statement-source.js';

/**
 * Runs one statement, which is committed when the promise resolves, and answers its rows: what Prisma, Drizzle, Kysely, Knex, postgres.js, PGlite and
 * HTTP drivers can all do.
 *
 * @param text one statement, with `$1`, `$2` and so on
 * @param values a text for each parameter; the statement says what the server is to make of it
 * @returns the rows, each an array of its columns, or an object in the order of the columns
 */
export type PostgresQuery = (text: string, values: string[]) => Promise<readonly unknown[]>;

/** A function of the user's in place of connections: for leases in a table, which need no session. */
export class QuerySource extends StatementSource {
  readonly whenNotOpen = 'the server could not be reached';

  constructor(query: PostgresQuery, clock: Clock) {
    super(clock, (statement, values = []) => run(query, statement, values));
  }

  open(): Promise<Connection> {
    return Promise.reject(unavailableBecause('a query function has no sessions', { retryable: false }));
  }
}

async function run(query: PostgresQuery, { text }: Statement, values: readonly string[]): Promise<readonly Row[]> {
  let rows: unknown;
  try {
    rows = await query(text, [...values]);
  } catch (error) {
    throw serversOwn(error);
  }
  if (Array.isArray(rows)) return rows.map(textsOf);
  throw unavailableBecause('the option query must resolve with an array of rows', { retryable: false });
}

function textsOf(row: unknown): Row {
  return Object.values(row as Readonly<Record<string, Value>>).map(textOf);
}

type Value = string | number | bigint | boolean | object | null | undefined;

/** Drivers read what the server sent, each in its way: it is written again as the server writes it. */
function textOf(value: Value): string | null {
  if (value === null || value === undefined) return null;
  if (typeof value === 'boolean') return value ? 't' : 'f';
  if (typeof value === 'object') return JSON.stringify(value);
  return String(value);
}

/** Layers above a driver wrap its error in their own: what the server said is the one with a SQLSTATE. */
function serversOwn(error: unknown): unknown {
  let inner = error;
  for (let depth = 0; depth < 5; depth++) {
    if (sqlState(inner) !== null) return inner;
    const quoted = quotedState(inner);
    if (quoted !== null) return Object.assign(new Error('the server refused the statement'), { code: quoted });
    inner = (inner as { readonly cause?: unknown } | null | undefined)?.cause;
    if (inner === undefined || inner === null) return error;
  }
  return error;
}

/** Prisma has codes of its own, and writes the server's into its message. */
function quotedState(error: unknown): string | null {
  const message = (error as { readonly message?: unknown } | null | undefined)?.message;
  return typeof message === 'string' ? (/^Raw query failed\. Code: `([0-9A-Z]{5})`/m.exec(message)?.[1] ?? null) : null;
}
