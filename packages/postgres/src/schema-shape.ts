import type { LockUnavailableError } from '@holdfast/core';
import { eq, gt, ne } from './operators.js';
import { unavailableBecause } from './postgres-error.js';
import { SERVER_MS } from './table/rows.js';

/** What the catalogue says of one object of Holdfast: people make such objects by hand or by tools, and change them. */
interface Found {
  readonly name: string;
  /** r and p: a table, whole or in parts. S: a sequence. */
  readonly kind: string;
  /** p: it outlives a crash of the server. */
  readonly persistence: string;
  /** Of each column its type, the size that was given with it or -1, and whether every row has to say what is in it. */
  readonly columns: Readonly<Record<string, readonly [type: number, size: number, mustBeWritten: boolean]>> | null;
  /** The columns of each unique index, in their alphabetical order. */
  readonly keys: readonly (readonly string[] | null)[] | null;
  /** When triggers run, as bits. */
  readonly triggers: readonly number[] | null;
  readonly hasRules: boolean;
  /** Whether a write runs what its owner has written, who is no superuser, with the permissions of this session, which is a superuser's. */
  readonly runsForeignCode: boolean;
  readonly step: number | null;
  readonly cache: number | null;
  readonly startsOver: boolean | null;
}

const isOf = (table: string, column: string): string => `(SELECT FROM pg_catalog.${table} AS o WHERE o.${column} ${eq} c.oid`;
const COLUMNS = `(SELECT pg_catalog.jsonb_object_agg(a.attname,
    pg_catalog.jsonb_build_array(a.atttypid::pg_catalog.int8, a.atttypmod, a.attnotnull AND NOT a.atthasdef AND a.attidentity ${eq} ''))
  FROM pg_catalog.pg_attribute AS a WHERE a.attrelid ${eq} c.oid AND a.attnum ${gt} 0 AND NOT a.attisdropped)`;
const KEYS = `(SELECT pg_catalog.jsonb_agg((SELECT pg_catalog.jsonb_agg(a.attname ORDER BY a.attname)
      FROM pg_catalog.pg_attribute AS a WHERE a.attrelid ${eq} c.oid AND a.attnum ${eq} ANY(x.indkey)))
  FROM pg_catalog.pg_index AS x WHERE x.indrelid ${eq} c.oid AND x.indisunique AND x.indisvalid AND x.indimmediate AND x.indpred IS NULL
    AND x.indexprs IS NULL AND x.indnatts ${eq} x.indnkeyatts)`;
const TRIGGERS = `(SELECT pg_catalog.jsonb_agg(t.tgtype) FROM pg_catalog.pg_trigger AS t
  WHERE t.tgrelid ${eq} c.oid AND NOT t.tgisinternal AND t.tgenabled ${ne} 'D')`;
const RUNS_FOREIGN_CODE = `((SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.rolname ${eq} current_user)
  AND NOT coalesce((SELECT r.rolsuper FROM pg_catalog.pg_roles AS r WHERE r.oid ${eq} c.relowner), false)
  AND (EXISTS ${isOf('pg_trigger', 'tgrelid')} AND NOT o.tgisinternal) OR EXISTS ${isOf('pg_attrdef', 'adrelid')})
    OR EXISTS ${isOf('pg_constraint', 'conrelid')} AND o.contype ${eq} 'c')
    OR EXISTS ${isOf('pg_index', 'indrelid')} AND (o.indexprs IS NOT NULL OR o.indpred IS NOT NULL))))`;

/** How many of the objects of the schema $1 are there, the time, and what they are: the catalogue may be read by everybody. */
export const LOOK = `SELECT pg_catalog.count(*), ${SERVER_MS}, coalesce(pg_catalog.jsonb_agg(pg_catalog.jsonb_build_object('name', c.relname,
    'kind', c.relkind, 'persistence', c.relpersistence, 'columns', ${COLUMNS}, 'keys', ${KEYS}, 'triggers', ${TRIGGERS}, 'hasRules', c.relhasrules,
    'runsForeignCode', ${RUNS_FOREIGN_CODE}, 'step', s.seqincrement, 'cache', s.seqcache, 'startsOver', s.seqcycle)), '[]')::pg_catalog.text
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid ${eq} c.relnamespace
    LEFT JOIN pg_catalog.pg_sequence AS s ON s.seqrelid ${eq} c.oid
  WHERE n.nspname ${eq} $1 AND (c.relname ${eq} 'fence' OR c.relname ${eq} 'marks' OR c.relname ${eq} 'leases')`;

/** Types by their numbers, which no search path changes. A text may be a varchar too. */
const TEXT = [25, 1043];
const BYTEA = [17];
const INT8 = [20];
const JSONB = [3802];
/** With a size, times are rounded: what would be kept for shorter than its holder believes. */
const TIMESTAMPTZ = [1184];
const MICROSECONDS = 6;

const TABLES: Readonly<Record<string, { readonly columns: Readonly<Record<string, readonly number[]>>; readonly key: string }>> = {
  leases: {
    columns: {
      namespace: TEXT,
      kind: TEXT,
      name: BYTEA,
      fence: INT8,
      expires_at: TIMESTAMPTZ,
      owner: TEXT,
      label: TEXT,
      holders: JSONB,
      writer_waits_until: TIMESTAMPTZ,
    },
    key: 'kind,name,namespace',
  },
  marks: {
    columns: { namespace: TEXT, name: BYTEA, set_at: TIMESTAMPTZ, expires_at: TIMESTAMPTZ, owner: TEXT, label: BYTEA },
    key: 'name,namespace',
  },
};

/** Of a trigger: it runs for each row, before the row is written. */
const BEFORE_EACH_ROW = 0b11;

/**
 * Looks at what LOOK has found: another form would have two hold one lock, or tokens go back, and nothing would say so.
 *
 * @throws LockUnavailableError `retryable: false`, with what is wrong
 */
export function checkShape(schema: string, facts: string): void {
  for (const found of JSON.parse(facts) as readonly Found[]) {
    const fault = found.name === 'fence' ? faultOfSequence(found) : faultOfTable(found);
    if (fault !== null) throw wrongObject(`"${schema}".${found.name}`, fault);
  }
}

function faultOfSequence({ kind, persistence, step, cache, startsOver }: Found): string | null {
  if (kind !== 'S') return 'is no sequence';
  if (persistence !== 'p') return 'is unlogged: after a crash of the server fencing tokens would go back';
  if (cache !== 1) return 'has a CACHE: each session would draw tokens of its own, and a later holder may have a lower one';
  return step === null || step < 1 || startsOver === true ? 'does not only rise: a later holder may have a lower token' : null;
}

function faultOfTable({ name, kind, persistence, columns, keys, triggers, hasRules, runsForeignCode }: Found): string | null {
  const wanted = TABLES[name];
  if (wanted === undefined) return null;
  if (kind !== 'r' && kind !== 'p') return 'is no table';
  if (persistence !== 'p') return 'is unlogged: a crash of the server would empty it, under those who hold something';
  for (const [column, types] of Object.entries(wanted.columns)) {
    const [type, size] = columns?.[column] ?? [];
    if (type === undefined) return `has no column ${column}`;
    if (!types.includes(type) || (types === TIMESTAMPTZ && size !== -1 && size !== MICROSECONDS))
      return `has a column ${column} of another type`;
  }
  for (const [column, [, , mustBeWritten]] of Object.entries(columns ?? {})) {
    if (mustBeWritten && !Object.hasOwn(wanted.columns, column))
      return `has a further column, ${column}, that must not be null and has no default`;
  }
  if (!(keys ?? []).some((key) => key?.join() === wanted.key)) return 'has not its primary key';
  if (runsForeignCode) {
    return 'belongs to a role that is no superuser, and runs something of that role, with the permissions of the superuser who writes to it';
  }
  if (hasRules) return 'has a rule, which ON CONFLICT does not go with';
  if ((triggers ?? []).some((bits) => (bits & BEFORE_EACH_ROW) === BEFORE_EACH_ROW)) return 'has a trigger that may change what is written';
  return null;
}

function wrongObject(object: string, fault: string): LockUnavailableError {
  return unavailableBecause(`${object} cannot be used: it ${fault}. See postgresSchemaSql(), which prints what makes it`, {
    retryable: false,
  });
}
