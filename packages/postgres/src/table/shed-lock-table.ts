import type { LockUnavailableError } from '@holdfast/core';
import { concat, eq, gt, minus, NOW, plus } from '../operators.js';
import { unavailableBecause } from '../postgres-error.js';
import type { Query } from './rows.js';

/** A table of ShedLock as it was found: people make such tables by hand, and change them. */
export interface ShedLockTable {
  /** With its schema, quoted. */
  readonly name: string;
  /** The present time as ShedLock writes it: in UTC where the column has no time zone. */
  readonly now: string;
  /** How many characters a name may have; Infinity where the column sets no limit. */
  readonly maxName: number;
  /** The same of `locked_by`. */
  readonly maxLockedBy: number;
  /** A time so that the column, which rounds to what it can hold, does not make it an earlier one. */
  readonly ceil: (time: string) => string;
  /** A time so that the column does not make it a later one. */
  readonly floor: (time: string) => string;
}

interface Column {
  readonly table: string;
  readonly mustBeWritten: boolean;
  readonly type: string;
  /** Of a text its length, of a time the digits of its fractions of a second. */
  readonly size: number | null;
  readonly isKey: boolean;
  readonly isExact: boolean;
  /** r and p: of a table, whole or in parts. */
  readonly kind: string;
  /** p: of one that outlives a crash of the server. */
  readonly persistence: string;
}

/** Its columns, in whatever case its name was given. */
const LOOK = `
SELECT a.attname, pg_catalog.quote_ident(n.nspname) ${concat} '.' ${concat} pg_catalog.quote_ident(c.relname) AS table_name,
  a.attnotnull AND NOT a.atthasdef AND a.attidentity ${eq} '', pg_catalog.format_type(a.atttypid, NULL),
  pg_catalog.substring(pg_catalog.format_type(a.atttypid, a.atttypmod), '[(]([0-9]+)[)]'),
  EXISTS (SELECT FROM pg_catalog.pg_index AS x WHERE x.indrelid ${eq} c.oid AND x.indisunique AND x.indisvalid AND x.indimmediate
    AND x.indnkeyatts ${eq} 1 AND x.indpred IS NULL AND x.indkey[0] ${eq} a.attnum),
  coalesce((SELECT o.collisdeterministic FROM pg_catalog.pg_collation AS o WHERE o.oid ${eq} a.attcollation), true),
  c.relkind, c.relpersistence
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid ${eq} c.relnamespace
  JOIN pg_catalog.pg_attribute AS a ON a.attrelid ${eq} c.oid
WHERE c.oid ${eq} coalesce(pg_catalog.to_regclass($1), pg_catalog.to_regclass($2)) AND a.attnum ${gt} 0 AND NOT a.attisdropped`;

const COLUMNS = ['name', 'lock_until', 'locked_at', 'locked_by'] as const;
const TABLES = ['r', 'p'];
const TEXTS = ['character varying', 'text'];
const TIMES = ['timestamp with time zone', 'timestamp without time zone'];
/** PostgreSQL keeps so many digits of the fractions of a second where a column does not say. */
const MICROSECONDS = 6;

/**
 * Looks at the table.
 *
 * @param minLockedBy how many characters `locked_by` must have room for
 * @throws LockUnavailableError `retryable: false` when it cannot be used, with what is wrong
 */
export async function lookAtShedLockTable(path: readonly string[], minLockedBy: number, query: Query): Promise<ShedLockTable> {
  const given = quote(path);
  const columns = new Map<string, Column>();
  for (const row of await query(LOOK, [given, quote(path.map((part) => part.toLowerCase()))])) {
    const [name, table, mustBeWritten, type, size, isKey, isExact, kind, persistence] = row;
    columns.set(name ?? '', {
      table: table ?? '',
      mustBeWritten: mustBeWritten === 't',
      type: type ?? '',
      size: size === null || size === undefined ? null : Number(size),
      isKey: isKey === 't',
      isExact: isExact === 't',
      kind: kind ?? '',
      persistence: persistence ?? '',
    });
  }
  const fail = (what: string): never => {
    throw wrongTable(given, what);
  };
  if (columns.size === 0) fail('does not exist, or this role may not see it');
  const [name, until, at, by] = COLUMNS.map((column) => columns.get(column) ?? fail(`has no column ${column}`));
  if (name === undefined || until === undefined || at === undefined || by === undefined) return fail('has not all of its columns');
  if (!TABLES.includes(name.kind)) fail('must be a table');
  if (name.persistence !== 'p')
    fail('must be neither unlogged nor temporary: a crash of the server would empty it, under those who hold a lock');
  if (!TEXTS.includes(name.type) || !TEXTS.includes(by.type)) fail('must have names and locked_by of varchar or text');
  if (!name.isExact) fail('has a collation by which different names are equal');
  if (!name.isKey) fail('needs a primary key, or a unique index, on name alone: without it two may hold one lock');
  if (!TIMES.includes(until.type) || at.type !== until.type)
    fail('must have lock_until and locked_at of timestamp, or both of timestamptz');
  const maxLockedBy = by.size ?? Number.POSITIVE_INFINITY;
  if (maxLockedBy < minLockedBy) fail(`has a locked_by of ${maxLockedBy} characters; ${minLockedBy} are needed`);
  for (const [column, { mustBeWritten }] of columns) {
    if (mustBeWritten && !(COLUMNS as readonly string[]).includes(column))
      fail(`has a further column, ${column}, that must not be null and has no default`);
  }
  const { roundUp, roundDown } = rounding(Math.min(until.size ?? MICROSECONDS, at.size ?? MICROSECONDS));
  return {
    name: until.table,
    now: until.type === 'timestamp with time zone' ? NOW : `pg_catalog.timezone('utc', ${NOW})`,
    maxName: name.size ?? Number.POSITIVE_INFINITY,
    maxLockedBy,
    ceil: (time) => `(${time} ${plus} interval '${roundUp} microseconds')`,
    floor: (time) => `(${time} ${minus} interval '${roundDown} microseconds')`,
  };
}

/** The column rounds to the nearest step, halves upwards: what has to be added first so that it rounds up, and what taken away for down. */
function rounding(digits: number): { readonly roundUp: number; readonly roundDown: number } {
  const step = 10 ** (MICROSECONDS - digits);
  return step === 1 ? { roundUp: 0, roundDown: 0 } : { roundUp: step / 2 - 1, roundDown: step / 2 };
}

function quote(path: readonly string[]): string {
  return path.map((part) => `"${part}"`).join('.');
}

function wrongTable(table: string, what: string): LockUnavailableError {
  return unavailableBecause(
    `${table} is no table of ShedLock: it ${what}. Such a table is made by: CREATE TABLE ${table} (name varchar(64) PRIMARY KEY, ` +
      'lock_until timestamp NOT NULL, locked_at timestamp NOT NULL, locked_by varchar(255) NOT NULL)',
    { retryable: false },
  );
}
