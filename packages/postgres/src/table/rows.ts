import type { Answer, FencingToken, HoldRef, HoldRequest, LockState } from '@holdfast/core';
import type { Row } from '../connection.js';
import { eq, minus, NOW, times } from '../operators.js';

/** Runs one statement; `lingerMs` where the server may yet carry it out after we have given up. */
export type Query = (text: string, values: readonly string[], lingerMs?: number) => Promise<readonly Row[]>;

/** A request that counts as one of a waiter: a writer among them keeps new readers out. */
export type TableRequest = HoldRequest & { readonly isWaiting: boolean };
export type TableRenewal = HoldRef & { readonly ttlMs: number };

/** How one kind of name is kept in rows. Each name is in a batch at most once. */
export interface Rows<F extends FencingToken> {
  attempt(requests: readonly TableRequest[], query: Query): Promise<readonly Answer<F>[]>;
  renew(holds: readonly TableRenewal[], query: Query): Promise<readonly boolean[]>;
  release(holds: readonly HoldRef[], query: Query): Promise<readonly boolean[]>;
  inspect(name: string, query: Query): Promise<LockState>;
  forceRelease(name: string, query: Query): Promise<boolean>;
  /** Names that are held, and begin so, after `after` in their order; a page at a time. */
  list(prefix: string, after: string | null, query: Query): Promise<readonly LockState[]>;
}

/** How many names a listing asks for at a time. */
export const PAGE = 200;

/** Milliseconds since the epoch, by the server's clock. */
export const NOW_MS = `(extract(epoch FROM ${NOW}) ${times} 1000)::pg_catalog.float8`;

/** Milliseconds as an interval. */
export function interval(milliseconds: string): string {
  return `(${milliseconds} ${times} interval '1 millisecond')`;
}

/** Milliseconds until a time, by the server's clock; of a time that never comes Infinity: it cannot be subtracted from. */
export function msUntil(time: string, now = NOW): string {
  return `(extract(epoch FROM ${time}) ${minus} extract(epoch FROM ${now})) ${times} 1000`;
}

/** Whether a column of bytes begins with a parameter, in hexadecimal. */
export function beginsWith(column: string, prefix: string): string {
  const bytes = `pg_catalog.decode(${prefix}, 'hex')`;
  return `pg_catalog.substring(${column}, 1, pg_catalog.length(${bytes})) ${eq} ${bytes}`;
}

/** The rest of a time, as the server told it; null where there is none, or no end. */
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
