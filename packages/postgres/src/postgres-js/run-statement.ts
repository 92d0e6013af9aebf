import { Buffer } from 'node:buffer';
import type { Row, Statement } from '../connection.js';
import { unavailableBecause } from '../postgres-error.js';
import type { DriverSql, ReservedSql, SqlConnection, SqlResult } from './postgres-sql.js';

/** PostgreSQL's type "unknown": the server finds out what each parameter is, and the driver makes nothing else of the text. */
const UNKNOWN_TYPE = 705;

/** Runs one statement over postgres.js. Values and columns are the texts that the server takes and sends, whatever types the user has set. */
export async function runStatement(
  { typed }: Pick<DriverSql, 'typed'>,
  { unsafe }: Pick<ReservedSql, 'unsafe'>,
  { text, name }: Statement,
  values: readonly string[] = [],
  onexecute?: (connection: SqlConnection) => boolean,
): Promise<{ readonly rows: readonly Row[]; readonly processId: number | null }> {
  const parameters = values.map((value) => typed(value, UNKNOWN_TYPE));
  const options = { prepare: name !== undefined, ...(onexecute !== undefined && { onexecute }) };
  const result = await unsafe(text, parameters, options).raw();
  return { rows: lastOf(result).map(textsOf), processId: result.state?.pid ?? null };
}

/** Several statements in one text answer with a list. */
function lastOf(result: SqlResult): SqlResult {
  const last = result.at(-1);
  return last !== undefined && 'command' in last ? (last as SqlResult) : result;
}

function textsOf(row: unknown): Row {
  if (Array.isArray(row) && row.every((column) => column === null || column instanceof Uint8Array)) {
    return row.map((column: Uint8Array | null) => (column === null ? null : Buffer.from(column).toString('utf8')));
  }
  throw unavailableBecause('the option sql changes rows (transform.row): pass another that does not', { retryable: false });
}
