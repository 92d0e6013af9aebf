import { Buffer } from 'node:buffer';
import type { DifferentLimit, HolderState, HoldRef, LockKind } from '@holdfast/core';
import type { Row } from '../connection.js';
import { hexOf } from '../hex.js';
import { concat, dividedBy, eq, gt, hasMember, le, member, memberText, minus, ne, NOW, plus, rowsFrom, times } from '../operators.js';
import { LAST_MS } from './poll-wakes.js';
import {
  COMMIT_HERE,
  type Freed,
  type GrantedHold,
  type HeldState,
  holdValues,
  IN_PAGE,
  interval,
  isTimely,
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

/**
 * What is kept of one holder, by its owner: mode, permits, expiry in ms, token (microseconds since 1970 are exact in a double), label and, but in
 * what an earlier version has written, the time of the grant in ms.
 */
interface StoredHolder {
  readonly m: 'p' | 'r' | 'w';
  readonly p: number;
  readonly e: number;
  readonly f: number;
  readonly l: string;
  readonly a?: number;
}

const LETTERS = { permits: 'p', read: 'r', write: 'w' } as const;
const MODES: Readonly<Record<StoredHolder['m'], HolderState['mode']>> = { p: 'permits', r: 'read', w: 'write' };

/**
 * For so long after its last attempt a waiting writer keeps new readers out: longer than it waits before the next, and a dead one
 * for no more than two seconds.
 */
const INTENT_MS = LAST_MS + 400;

/**
 * Semaphores and read/write locks: all holders of a name in one row, because only the row that a statement has locked is
 * sure to be read as it is; counting the rows of others would count those of a moment ago.
 */
export class SharedRows implements Rows<bigint> {
  readonly #kind: 'semaphore' | 'read-write';
  readonly #table: string;
  readonly #sequence: string;
  readonly #namespace: string;

  readonly #onLimitDiffers: (seen: DifferentLimit) => void;

  readonly #waiters: WaiterRows;

  /** @param onLimitDiffers a holder of a semaphore goes by another limit than a request */
  constructor(
    kind: 'semaphore' | 'read-write',
    schema: string,
    namespace: string,
    waiters: WaiterRows,
    onLimitDiffers: (seen: DifferentLimit) => void = () => {},
  ) {
    this.#waiters = waiters;
    this.#onLimitDiffers = onLimitDiffers;
    this.#kind = kind;
    this.#table = `"${schema}".leases`;
    this.#sequence = `pg_catalog.nextval('"${schema}".fence'::pg_catalog.regclass)`;
    this.#namespace = namespace;
  }

  async attempt(requests: readonly TableRequest[], query: TimedQuery): Promise<readonly (TableAnswer<bigint> | 'late')[]> {
    const asked = `(excluded.holders ${member} excluded.owner)`;
    const mine = `(l.holders ${member} excluded.owner)`;
    const fits = `(SELECT CASE
        WHEN asked_mode ${eq} 'p' THEN (coalesce(pg_catalog.sum(${numberOf('h.value', 'p', 'int8')}), 0) ${plus} asked_permits) ${le} ${numberOf(asked, 'limit', 'int8')}
        WHEN asked_mode ${eq} 'r' THEN coalesce(pg_catalog.bool_and((h.value ${memberText} 'm') ${eq} 'r'), true) AND l.writer_waits_until ${le} ${NOW}
        ELSE pg_catalog.count(h.key) ${eq} 0 END
      FROM (SELECT ${asked} ${memberText} 'm' AS asked_mode, ${numberOf(asked, 'p', 'int8')} AS asked_permits) AS own
        LEFT JOIN pg_catalog.jsonb_each(${live('l.holders', 'excluded.owner')}) AS h ON true
      GROUP BY asked_mode, asked_permits)`;
    const stands = `coalesce(${numberOf(mine, 'e')} ${gt} ${NOW_MS}, false)`;
    const otherLimit = `(SELECT h.value ${memberText} 'limit' FROM pg_catalog.jsonb_each(l.holders) AS h
          WHERE ${numberOf('h.value', 'e')} ${gt} ${NOW_MS} AND ${numberOf('h.value', 'limit', 'int8')} ${ne} asked.most LIMIT 1)`;
    const lines = this.#waiters.beside(requests, this.#kind, 10);
    const timely = isTimely(10 + lines.values.length);
    const { rows, isLate } = await query(
      `WITH asked AS MATERIALIZED (
        SELECT i, pg_catalog.decode(name, 'hex') AS name, owner, mode, permits, most, waits, ${this.#sequence} AS fence,
          pg_catalog.jsonb_build_object('m', mode, 'p', permits, 'e', ${NOW_MS} ${plus} ttl, 'l', label, 'a', ${NOW_MS}) AS holder, ttl
        FROM ${rowsFrom(['text', 'text', 'text', 'numeric', 'text', 'int8', 'int8', 'bool'], 2)}
          AS r(name, owner, label, ttl, mode, permits, most, waits, i)
      ), granted AS (
        INSERT INTO ${this.#table} AS l (namespace, kind, name, owner, label, fence, expires_at, holders, writer_waits_until)
        SELECT $1, '${this.#kind}', asked.name, owner, waits::pg_catalog.text, fence, ${NOW} ${plus} ${interval('ttl')},
          pg_catalog.jsonb_build_object(owner, holder ${concat} pg_catalog.jsonb_build_object('f', fence, 'limit', most)), '-infinity'
        FROM asked WHERE ${timely} ORDER BY name
        ON CONFLICT (namespace, kind, name) DO UPDATE SET (owner, fence, holders, expires_at, writer_waits_until) = (
          SELECT excluded.owner, drawn.fence,
            CASE WHEN may THEN ${live('l.holders', 'excluded.owner')} ${concat} pg_catalog.jsonb_build_object(excluded.owner, ${asked}
              ${concat} pg_catalog.jsonb_build_object('f', drawn.fence) ${concat} CASE WHEN stands THEN pg_catalog.jsonb_build_object(
                'f', ${mine} ${member} 'f', 'a', ${mine} ${member} 'a', 'e', greatest(${numberOf(mine, 'e')}, ${numberOf(asked, 'e')})) ELSE '{}' END)
            ELSE l.holders END,
            CASE WHEN may THEN greatest(l.expires_at, excluded.expires_at) ELSE l.expires_at END,
            CASE WHEN NOT may AND excluded.label ${eq} 'true' THEN ${NOW} ${plus} interval '${INTENT_MS} milliseconds'
              WHEN may AND (${asked} ${memberText} 'm') ${eq} 'w' THEN '-infinity' ELSE l.writer_waits_until END
          FROM (SELECT ${this.#sequence} AS fence, ${fits} OR ${stands} AS may, ${stands} AS stands OFFSET 0) AS drawn)
        WHERE (${fits} OR ${stands} OR excluded.label ${eq} 'true') AND ${timely}
        RETURNING l.name, (l.holders ${member} l.owner) ${memberText} 'f' AS token, pg_catalog.set_config('synchronous_commit', 'on', true)
      )${lines.confirmed}
      SELECT asked.i, granted.token, least(
          (SELECT pg_catalog.min(${numberOf('h.value', 'e')}) FROM pg_catalog.jsonb_each(l.holders) AS h
            WHERE ${numberOf('h.value', 'e')} ${gt} ${NOW_MS}),
          CASE WHEN l.writer_waits_until ${gt} ${NOW} THEN (extract(epoch FROM l.writer_waits_until) ${times} 1000)::pg_catalog.numeric END
        ) ${minus} ${NOW_MS} AS left_ms, ${this.#kind === 'semaphore' ? otherLimit : 'NULL'} AS holders_limit,
        (SELECT pg_catalog.max(${numberOf('h.value', 'f', 'int8')})::pg_catalog.text FROM pg_catalog.jsonb_each(l.holders) AS h) AS latest${lines.column}, ${SERVER_MS}
      FROM asked LEFT JOIN granted ON granted.name ${eq} asked.name${lines.join}
        LEFT JOIN LATERAL (SELECT holders, writer_waits_until FROM ${this.#table} AS l
          WHERE l.namespace ${eq} $1 AND l.kind ${eq} '${this.#kind}' AND l.name ${eq} asked.name OFFSET 0) AS l ON true
      ORDER BY asked.i`,
      [...this.#requestValues(requests), ...lines.values],
    );
    lines.read(rows);
    return rows.map((row, index) => {
      const [, token, left, holdersLimit, latest] = row;
      this.#lookAtLimit(requests[index], holdersLimit);
      if (token !== null && token !== undefined) return { granted: true, fencingToken: BigInt(token) };
      return isLate(row) ? 'late' : { granted: false, remainingMs: remaining(left), latest: latest ?? null };
    });
  }

  #lookAtLimit(request: TableRequest | undefined, holdersLimit: string | null | undefined): void {
    if (request?.mode !== 'permits' || typeof holdersLimit !== 'string') return;
    this.#onLimitDiffers({ name: request.name, limit: request.limit, holdersLimit: Number(holdersLimit) });
  }

  async renew(holds: readonly TableRenewal[], query: TimedQuery): Promise<readonly (boolean | 'late')[]> {
    const until = `greatest(${numberOf('h.value', 'e')}, ${NOW_MS} ${plus} (excluded.holders ${memberText} h.key)::pg_catalog.numeric)`;
    const changed = `h.value ${concat} pg_catalog.jsonb_build_object('e', ${until})`;
    const values = holdValues(this.#namespace, holds, ({ ttlMs }) => ttlMs);
    return readChanges(await query(this.#change(changed, `WHERE ${isTimely(5)}`), values));
  }

  async release(holds: readonly HoldRef[], query: Query): Promise<readonly Freed[]> {
    const values = holdValues(this.#namespace, holds, () => 0);
    return readFreed(await query(this.#change('NULL', '', `${COMMIT_HERE}, `), values));
  }

  async granted(name: string, owner: string, query: Query): Promise<GrantedHold | null> {
    const mine = `(holders ${member} $3::pg_catalog.text)`;
    const [row] = await query(
      `SELECT ${mine}::pg_catalog.text FROM ${this.#table} WHERE ${this.#isNamed('$2')} AND ${numberOf(mine, 'e')} ${gt} ${NOW_MS}`,
      [this.#namespace, hexOf(name), owner],
    );
    if (row === undefined) return null;
    const { m, p, f } = JSON.parse(row[0] ?? '{}') as StoredHolder;
    return { mode: MODES[m], permits: p, fencingToken: m === 'p' ? null : BigInt(f) };
  }

  async inspect(name: string, query: Query): Promise<HeldState> {
    const [row] = await query(`${this.#select()} AND name ${eq} pg_catalog.decode($2, 'hex')`, [this.#namespace, hexOf(name)]);
    return row === undefined ? { name, kind: this.#kind, held: false, holders: [] } : readState(row, this.#kind);
  }

  async forceRelease(name: string, query: Query): Promise<boolean> {
    const rows = await query(
      `UPDATE ${this.#table} SET holders = '{}', expires_at = ${NOW}
      WHERE ${this.#isNamed('$2')} AND ${live('holders')} ${ne} '{}' RETURNING 1`,
      [this.#namespace, hexOf(name)],
    );
    return rows.length > 0;
  }

  async list(prefix: string, after: string | null, query: Query): Promise<readonly HeldState[]> {
    const rows = await query(`${this.#select()} AND ${IN_PAGE}`, pageValues(this.#namespace, prefix, after));
    return rows.map((row) => readState(row, this.#kind));
  }

  /** A waiting writer that has given up lets readers in. */
  async withdraw(name: string, query: Query): Promise<void> {
    await query(
      `UPDATE ${this.#table} SET writer_waits_until = '-infinity' WHERE ${this.#isNamed('$2')} AND writer_waits_until ${gt} ${NOW}`,
      [this.#namespace, hexOf(name)],
    );
  }

  /**
   * Changes what is kept of these holders, those who expired being dropped, and tells of each whether it was there, and the time. As in
   * rows of locks each step is an INSERT that finds its row in the way; what it inserts where there is none holds nothing.
   */
  #change(changed: string, condition = '', commit = ''): string {
    const isAsked = `(excluded.holders ${hasMember} h.key)`;
    return `WITH asked AS MATERIALIZED (
        SELECT i, pg_catalog.decode(name, 'hex') AS name, owner, ttl
        FROM ${rowsFrom(['text', 'text', 'numeric'], 2)} AS r(name, owner, ttl, i)
      ), changed AS (
        INSERT INTO ${this.#table} AS l (namespace, kind, name, fence, expires_at, holders, writer_waits_until)
        SELECT $1, '${this.#kind}', asked.name, 0, '-infinity', pg_catalog.jsonb_build_object(owner, ttl), '-infinity' FROM asked ORDER BY name
        ON CONFLICT (namespace, kind, name) DO UPDATE SET (holders, expires_at, label) = (
          SELECT coalesce(pg_catalog.jsonb_object_agg(kept.key, kept.value) FILTER (WHERE kept.value IS NOT NULL), '{}'),
            greatest(${NOW}, pg_catalog.to_timestamp(pg_catalog.max(${numberOf('kept.value', 'e')}) ${dividedBy} 1000)),
            pg_catalog.bool_or(kept.is_asked)::pg_catalog.text
          FROM (SELECT h.key, ${isAsked} AS is_asked, CASE WHEN ${isAsked} THEN ${changed} ELSE h.value END AS value
            FROM pg_catalog.jsonb_each(${live('l.holders')}) AS h) AS kept)
        ${condition}
        RETURNING l.name, l.label
      )
      SELECT asked.i, coalesce(changed.label ${eq} 'true', false), ${commit}${SERVER_MS}
      FROM asked LEFT JOIN changed ON changed.name ${eq} asked.name ORDER BY asked.i`;
  }

  #isNamed(parameter: string): string {
    return `namespace ${eq} $1 AND kind ${eq} '${this.#kind}' AND name ${eq} pg_catalog.decode(${parameter}, 'hex')`;
  }

  #select(): string {
    return `SELECT pg_catalog.encode(name, 'hex'), ${live('holders')}, ${NOW_MS} FROM ${this.#table}
      WHERE namespace ${eq} $1 AND kind ${eq} '${this.#kind}' AND ${live('holders')} ${ne} '{}'`;
  }

  #requestValues(requests: readonly TableRequest[]): readonly string[] {
    const column = (valueOf: (request: TableRequest) => string): string => textArray(requests.map(valueOf));
    return [
      this.#namespace,
      column(({ name }) => hexOf(name)),
      column(({ owner }) => owner),
      column(({ label }) => label.replaceAll('\0', '')),
      column(({ ttlMs }) => String(ttlMs)),
      column(({ mode }) => (mode === 'exclusive' ? 'w' : LETTERS[mode])),
      column((request) => String(request.mode === 'permits' ? request.permits : 1)),
      column((request) => String(request.mode === 'permits' ? request.limit : 1)),
      column(({ mode, isWaiting }) => String(mode === 'write' && isWaiting)),
    ];
  }
}

/** A number out of a JSON object. */
function numberOf(object: string, name: string, type: 'numeric' | 'int8' = 'numeric'): string {
  return `(${object} ${memberText} '${name}')::pg_catalog.${type}`;
}

/** Those of the holders whose time is not over, without one of them. */
function live(holders: string, without?: string): string {
  const others = without === undefined ? '' : ` AND h.key ${ne} ${without}`;
  return `(SELECT coalesce(pg_catalog.jsonb_object_agg(h.key, h.value), '{}') FROM pg_catalog.jsonb_each(${holders}) AS h
    WHERE ${numberOf('h.value', 'e')} ${gt} ${NOW_MS}${others})`;
}

function readState([name, holders, now]: Row, kind: LockKind): HeldState {
  const stored = Object.values(JSON.parse(holders ?? '{}') as Record<string, StoredHolder>);
  return {
    name: Buffer.from(name ?? '', 'hex').toString('utf8'),
    kind,
    held: stored.length > 0,
    holders: stored.map(({ m, p, e, f, l, a }) => ({
      label: l,
      mode: MODES[m],
      permits: p,
      remainingMs: Math.max(0, Math.ceil(e - Number(now))),
      fencingToken: m === 'p' ? null : BigInt(f),
      heldMs: typeof a === 'number' ? Number(now) - a : null,
    })),
  };
}
