import type { HoldRef } from '@holdfast/core';
import { Buffer } from 'node:buffer';
import type { Row } from '../connection.js';
import { hexOf } from '../hex.js';
import { eq, gt, le, memberText, minus, ne, NOW, plus, rowsFrom } from '../operators.js';
import {
  COMMIT_HERE,
  type Freed,
  type GrantedHold,
  type HeldState,
  holdValues,
  IN_PAGE,
  interval,
  isTimely,
  msUntil,
  NOW_MS,
  pageValues,
  type Query,
  readChanges,
  readFreed,
  remaining,
  type Rows,
  SERVER_MS,
  type TableAnswer,
  type TableRenewal,
  type TableRequest,
  textArray,
  type TimedQuery,
} from './rows.js';
import type { WaiterRows } from './waiter-rows.js';

const KIND = `'lock'`;

/** What a row keeps of a grant besides: when it was. A row of an earlier version has nothing of it. */
const GRANTED_NOW = `pg_catalog.jsonb_build_object('at', ${NOW_MS})`;

/**
 * Locks: a row each, with owner, fence and expiry. A row stays when its lease ends, and its fence with it: a token that is
 * drawn for a row that is there is drawn under its lock.
 *
 * Every step is an INSERT that finds its rows in the way: each by the primary key, whatever the planner knows of the table; and behind
 * the one who is just inserting it. What a renewal or a release inserts where there is no row is one that has expired. All statements
 * take their rows in the order of the names, so that two of them never wait for each other.
 */
export class LockRows implements Rows<bigint> {
  readonly #table: string;
  readonly #sequence: string;
  readonly #namespace: string;

  readonly #waiters: WaiterRows;

  constructor(schema: string, namespace: string, waiters: WaiterRows) {
    this.#waiters = waiters;
    this.#table = `"${schema}".leases`;
    this.#sequence = `pg_catalog.nextval('"${schema}".fence'::pg_catalog.regclass)`;
    this.#namespace = namespace;
  }

  async attempt(requests: readonly TableRequest[], query: TimedQuery): Promise<readonly (TableAnswer<bigint> | 'late')[]> {
    const isMine = `(l.owner ${eq} excluded.owner AND l.expires_at ${gt} ${NOW})`;
    const lines = this.#waiters.beside(requests, 'lock', 6);
    const timely = isTimely(6 + lines.values.length);
    const { rows, isLate } = await query(
      `WITH asked AS MATERIALIZED (
        SELECT i, pg_catalog.decode(name, 'hex') AS name, owner, label, ttl
        FROM ${rowsFrom(['text', 'text', 'text', 'numeric'], 2)} AS r(name, owner, label, ttl, i)
      ), granted AS (
        INSERT INTO ${this.#table} AS l (namespace, kind, name, owner, label, fence, expires_at, holders, writer_waits_until)
        SELECT $1, ${KIND}, asked.name, owner, label, ${this.#sequence}, ${NOW} ${plus} ${interval('asked.ttl')}, ${GRANTED_NOW}, '-infinity'
        FROM asked WHERE ${timely} ORDER BY name
        ON CONFLICT (namespace, kind, name) DO UPDATE SET
          fence = CASE WHEN ${isMine} THEN l.fence ELSE ${this.#sequence} END,
          expires_at = CASE WHEN ${isMine} THEN greatest(l.expires_at, excluded.expires_at) ELSE excluded.expires_at END,
          owner = excluded.owner, label = excluded.label, holders = CASE WHEN ${isMine} THEN l.holders ELSE ${GRANTED_NOW} END
        WHERE (l.expires_at ${le} ${NOW} OR l.owner ${eq} excluded.owner) AND ${timely}
        RETURNING l.name, l.fence, pg_catalog.set_config('synchronous_commit', 'on', true)
      )${lines.confirmed}
      SELECT asked.i, granted.fence::pg_catalog.text, ${msUntil('l.expires_at')}, l.fence::pg_catalog.text AS latest${lines.column}, ${SERVER_MS}
      FROM asked LEFT JOIN granted ON granted.name ${eq} asked.name${lines.join}
        LEFT JOIN LATERAL (SELECT expires_at, fence FROM ${this.#table} AS l
          WHERE l.namespace ${eq} $1 AND l.kind ${eq} ${KIND} AND l.name ${eq} asked.name OFFSET 0) AS l ON true
      ORDER BY asked.i`,
      [
        this.#namespace,
        textArray(requests.map(({ name }) => hexOf(name))),
        textArray(requests.map(({ owner }) => owner)),
        textArray(requests.map(({ label }) => label.replaceAll('\0', ''))),
        textArray(requests.map(({ ttlMs }) => String(ttlMs))),
        ...lines.values,
      ],
    );
    lines.read(rows);
    return rows.map((row) => readAnswer(row, isLate(row)));
  }

  async renew(holds: readonly TableRenewal[], query: TimedQuery): Promise<readonly (boolean | 'late')[]> {
    const until = `${NOW} ${plus} ${interval(`(excluded.holders ${memberText} 'ttl')::pg_catalog.numeric`)}`;
    const text = this.#change(`expires_at = greatest(l.expires_at, ${until})`, `AND ${isTimely(5)}`);
    const values = holdValues(this.#namespace, holds, ({ ttlMs }) => ttlMs);
    return readChanges(await query(text, values));
  }

  async release(holds: readonly HoldRef[], query: Query): Promise<readonly Freed[]> {
    const text = this.#change(`owner = NULL, label = NULL, expires_at = ${NOW}`, '', `${COMMIT_HERE}, `);
    const values = holdValues(this.#namespace, holds, () => 0);
    return readFreed(await query(text, values));
  }

  async granted(name: string, owner: string, query: Query): Promise<GrantedHold | null> {
    const [row] = await query(
      `SELECT fence::pg_catalog.text FROM ${this.#table}
      WHERE namespace ${eq} $1 AND kind ${eq} ${KIND} AND name ${eq} pg_catalog.decode($2, 'hex') AND owner ${eq} $3 AND expires_at ${gt} ${NOW}`,
      [this.#namespace, hexOf(name), owner],
    );
    return row === undefined ? null : { mode: 'exclusive', permits: 1, fencingToken: BigInt(row[0] ?? 0) };
  }

  async inspect(name: string, query: Query): Promise<HeldState> {
    const [row] = await query(`${this.#select()} AND name ${eq} pg_catalog.decode($2, 'hex')`, [this.#namespace, hexOf(name)]);
    return row === undefined ? { name, kind: 'lock', held: false, holders: [] } : readState(row);
  }

  async forceRelease(name: string, query: Query): Promise<boolean> {
    const rows = await query(
      `UPDATE ${this.#table} SET owner = NULL, label = NULL, expires_at = ${NOW}
      WHERE namespace ${eq} $1 AND kind ${eq} ${KIND} AND name ${eq} pg_catalog.decode($2, 'hex') AND expires_at ${gt} ${NOW} RETURNING 1`,
      [this.#namespace, hexOf(name)],
    );
    return rows.length > 0;
  }

  async list(prefix: string, after: string | null, query: Query): Promise<readonly HeldState[]> {
    const rows = await query(`${this.#select()} AND ${IN_PAGE}`, pageValues(this.#namespace, prefix, after));
    return rows.map(readState);
  }

  #select(): string {
    return `SELECT pg_catalog.encode(name, 'hex'), label, fence::pg_catalog.text, ${msUntil('expires_at')} AS left_ms,
      ${NOW_MS} ${minus} (holders ${memberText} 'at')::pg_catalog.numeric AS age_ms
      FROM ${this.#table} WHERE namespace ${eq} $1 AND kind ${eq} ${KIND} AND expires_at ${gt} ${NOW}`;
  }

  /** Changes the rows that have these owners and have not expired; tells of each whether it did, and the time. */
  #change(change: string, condition = '', commit = ''): string {
    return `WITH asked AS MATERIALIZED (
        SELECT i, pg_catalog.decode(name, 'hex') AS name, owner, ttl
        FROM ${rowsFrom(['text', 'text', 'numeric'], 2)} AS r(name, owner, ttl, i)
      ), changed AS (
        INSERT INTO ${this.#table} AS l (namespace, kind, name, owner, fence, expires_at, holders, writer_waits_until)
        SELECT $1, ${KIND}, asked.name, owner, 0, '-infinity', pg_catalog.jsonb_build_object('ttl', ttl), '-infinity' FROM asked ORDER BY name
        ON CONFLICT (namespace, kind, name) DO UPDATE SET ${change}
        WHERE l.owner ${eq} excluded.owner AND l.expires_at ${gt} ${NOW} ${condition}
        RETURNING l.name, l.expires_at
      )
      SELECT asked.i, coalesce(changed.expires_at ${ne} '-infinity', false), ${commit}${SERVER_MS}
      FROM asked LEFT JOIN changed ON changed.name ${eq} asked.name ORDER BY asked.i`;
  }
}

function readAnswer(row: Row, isLate: boolean): TableAnswer<bigint> | 'late' {
  const fence = row[1];
  if (fence !== null && fence !== undefined) return { granted: true, fencingToken: BigInt(fence) };
  return isLate ? 'late' : { granted: false, remainingMs: remaining(row[2]), latest: row[3] ?? null };
}

function readState(row: Row): HeldState {
  const [name, label, fence, left, held] = row;
  const holder = {
    label: label ?? null,
    mode: 'exclusive',
    permits: 1,
    remainingMs: remaining(left),
    fencingToken: BigInt(fence ?? 0),
    heldMs: held === null || held === undefined ? null : Number(held),
  } as const;
  return { name: Buffer.from(name ?? '', 'hex').toString('utf8'), kind: 'lock', held: true, holders: [holder] };
}
