/**
 * Operators by their full names. PostgreSQL prefers an operator that fits its operands exactly, wherever on the search path it
 * is; so one that another role has put into `public` could be run as ours. For the same reason every function and type
 * is written with `pg_catalog.`, and nothing is written that means an operator without naming it: `IN`, `BETWEEN`, `LIKE`,
 * `NULLIF`, `IS DISTINCT FROM`, `USING`, `CASE x WHEN`.
 *
 * They all bind equally tightly, the leftmost first: an operand that is an operation itself stands in parentheses.
 */
export const eq = 'OPERATOR(pg_catalog.=)';
export const ne = 'OPERATOR(pg_catalog.<>)';
export const lt = 'OPERATOR(pg_catalog.<)';
export const le = 'OPERATOR(pg_catalog.<=)';
export const gt = 'OPERATOR(pg_catalog.>)';
export const ge = 'OPERATOR(pg_catalog.>=)';
export const plus = 'OPERATOR(pg_catalog.+)';
export const minus = 'OPERATOR(pg_catalog.-)';
export const times = 'OPERATOR(pg_catalog.*)';
export const dividedBy = 'OPERATOR(pg_catalog./)';
/** Of texts, arrays and JSON objects. */
export const concat = 'OPERATOR(pg_catalog.||)';
/** A member of a JSON object, as JSON and as text. */
export const member = 'OPERATOR(pg_catalog.->)';
export const memberText = 'OPERATOR(pg_catalog.->>)';
export const hasMember = 'OPERATOR(pg_catalog.?)';
export const shiftLeft = 'OPERATOR(pg_catalog.<<)';
export const bitOr = 'OPERATOR(pg_catalog.|)';
export const matches = 'OPERATOR(pg_catalog.~)';

/** The server's present time: a statement may wait for a row for minutes after it has begun. */
export const NOW = 'pg_catalog.clock_timestamp()';

/** The parameters $from and following as the columns of a table, and a column that numbers its rows from 1. */
export function rowsFrom(types: readonly ('text' | 'int4' | 'int8' | 'numeric' | 'bool')[], from = 1): string {
  const columns = types.map((type, index) => `pg_catalog.unnest($${from + index}::pg_catalog.${type}[])`);
  return `ROWS FROM (${columns.join(', ')}) WITH ORDINALITY`;
}
