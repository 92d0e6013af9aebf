import type { Answer, FencingToken, HolderState, HoldRef, HoldRequest, LockState } from '@holdfast/core';
import type { RidingSign } from '@holdfast/core/backend';
import type { Row } from '../connection.js';
import { hexOf } from '../hex.js';
import { eq, ge, gt, le, minus, NOW, times } from '../operators.js';
import { cameTooLate } from '../postgres-error.js';

/** Runs one statement. */
export type Query = (text: string, values: readonly string[]) => Promise<readonly Row[]>;

/**
 * Runs one statement that takes or keeps something, and that the server refuses behind a moment of its own clock. It is sent with two
 * more values, which `isTimely` compares; the last column of its answer is SERVER_MS.
 */
export type TimedQuery = (text: string, values: readonly string[]) => Promise<TimedRows>;

/** The answer, and whether a row of it that was refused may have been refused as late. */
export interface TimedRows {
  readonly rows: readonly Row[];
  readonly isLate: (row: Row) => boolean;
}

/** What was freed, and when by the server's clock. */
export interface Freed {
  readonly wasOurs: boolean;
  readonly serverMs: number;
}

/** A request of somebody who may be waiting. */
export type TableRequest = HoldRequest & {
  /** Whether it counts as one of a waiter: a writer among them keeps new readers out. */
  readonly isWaiting: boolean;
  /** The sign of the line behind it, where the request is to confirm that sign. */
  readonly sign: RidingSign | null;
};
export type TableRenewal = HoldRef & { readonly ttlMs: number };

/** What rows of leases tell of a name; who waits for it stands elsewhere. */
export type HeldState = Omit<LockState, 'waiters' | 'oldestWaitMs'>;

/** How an owner holds a name. */
export type GrantedHold = Pick<HolderState, 'mode' | 'permits' | 'fencingToken'>;

type Refusal = Answer & { readonly granted: false };

/** The answer to a request. `latest` of a refused one is another text for each grant of the name; null where there was none. */
export type TableAnswer<F extends FencingToken> = (Answer<F> & { readonly granted: true }) | (Refusal & { readonly latest: string | null });

/** How one kind of name is kept in rows. Each name is in a batch at most once. */
export interface Rows<F extends FencingToken> {
  attempt(requests: readonly TableRequest[], query: TimedQuery, plain: Query): Promise<readonly (TableAnswer<F> | 'late')[]>;
  renew(holds: readonly TableRenewal[], query: TimedQuery, plain: Query): Promise<readonly (boolean | 'late')[]>;
  release(holds: readonly HoldRef[], query: Query): Promise<readonly Freed[]>;
  /** What the hold of this owner is; null where there is none. 'any': rows keep no more of a hold than its owner. */
  granted(name: string, owner: string, query: Query): Promise<GrantedHold | 'any' | null>;
  inspect(name: string, query: Query): Promise<HeldState>;
  forceRelease(name: string, query: Query): Promise<boolean>;
  /** Names that are held, and begin so, after `after` in their order; a page at a time. */
  list(prefix: string, after: string | null, query: Query): Promise<readonly HeldState[]>;
}

/** How many names a listing asks for at a time. */
export const PAGE = 200;

/**
 * Milliseconds since the epoch, by the server's clock. A numeric, as all that rows keep of times: a float has as many digits in JSON and
 * in an answer as the session's `extra_float_digits` says, and a lease would be kept as long as is left of them.
 */
export const NOW_MS = `(extract(epoch FROM ${NOW}) ${times} 1000)::pg_catalog.numeric`;

/** The same as a whole number. */
export const SERVER_MS = `pg_catalog.floor(${NOW_MS})::pg_catalog.int8`;

/**
 * Commits without a standby's word: for what frees. A release that a successor has not heard of lets a lease stand there until its
 * time is over; one that waited for a standby which is gone would never be answered.
 */
export const COMMIT_HERE = `pg_catalog.set_config('synchronous_commit',
  CASE WHEN pg_catalog.current_setting('synchronous_commit') ${eq} 'off' THEN 'off' ELSE 'local' END, true)`;

/**
 * Whether a statement is carried out in its time: no later than the moment that the parameter says, and no further before it than the
 * next parameter, for that moment would be another server's. To be asked once a row is locked, for which a statement may wait long.
 */
export function isTimely(parameter: number): string {
  const notAfter = `$${parameter}::pg_catalog.int8`;
  return `(${SERVER_MS} ${le} ${notAfter} AND ${SERVER_MS} ${ge} (${notAfter} ${minus} $${parameter + 1}::pg_catalog.int8))`;
}

/** Milliseconds as an interval. */
export function interval(milliseconds: string): string {
  return `(${milliseconds}::pg_catalog.float8 ${times} interval '1 millisecond')`;
}

/** Milliseconds until a time, by the server's clock; of a time that never comes Infinity: it cannot be subtracted from. */
export function msUntil(time: string, now = NOW): string {
  return `(extract(epoch FROM ${time}) ${minus} extract(epoch FROM ${now})) ${times} 1000`;
}

const PREFIX = `pg_catalog.decode($2, 'hex')`;

/** Of a listing: a page of the names that begin with a parameter, behind another one; see `pageValues`. */
export const IN_PAGE = `pg_catalog.substring(name, 1, pg_catalog.length(${PREFIX})) ${eq} ${PREFIX}
  AND name ${gt} pg_catalog.decode($3, 'hex') ORDER BY name LIMIT ${PAGE}`;

/** The parameters of a page. */
export function pageValues(namespace: string, prefix: string, after: string | null): readonly string[] {
  return [namespace, hexOf(prefix), hexOf(after ?? '')];
}

/** The rest of a time, as the server reported it; null where there is none, or no end. */
export function remaining(text: string | null | undefined): number | null {
  const milliseconds = text === null || text === undefined ? Number.NaN : Math.ceil(Number(text));
  return Number.isFinite(milliseconds) ? Math.max(0, milliseconds) : null;
}

/** An array literal of texts. */
export function textArray(values: readonly (string | null)[]): string {
  return `{${values.map((value) => (value === null ? 'NULL' : `"${value.replace(/["\\]/g, '\\$&')}"`)).join(',')}}`;
}

/** The indexes, from 1, that the rows name. */
export function indexes(rows: readonly Row[]): ReadonlySet<number> {
  return new Set(rows.map((row) => Number(row[0])));
}

/** Names, owners and times of holds, as columns. */
export function holdValues<H extends HoldRef>(namespace: string, holds: readonly H[], ttlOf: (hold: H) => number): readonly string[] {
  return [
    namespace,
    textArray(holds.map(({ name }) => hexOf(name))),
    textArray(holds.map(({ owner }) => owner)),
    textArray(holds.map((hold) => String(ttlOf(hold)))),
  ];
}

/** What each row of a timed statement, one for each hold in their order, says of it. */
export function readChanges({ rows, isLate }: TimedRows): readonly (boolean | 'late')[] {
  return rows.map((row) => row[1] === 't' || (isLate(row) ? 'late' : false));
}

/** What the server refused as late once more has no answer. @throws LockUnavailableError for such a one */
export function inTime<A>(answers: readonly (A | 'late')[]): readonly A[] {
  return answers.map((answer) => {
    if (answer === 'late') throw cameTooLate();
    return answer;
  });
}

/** The same of a release. */
export function readFreed(rows: readonly Row[]): readonly Freed[] {
  return rows.map((row) => ({ wasOurs: row[1] === 't', serverMs: Number(row.at(-1)) }));
}
