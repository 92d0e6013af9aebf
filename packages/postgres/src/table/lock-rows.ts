import type { Answer, HoldRef, LockState } from '@holdfast/core';
import { Buffer } from 'node:buffer';
import type { Row } from '../connection.js';
import { hexOf } from '../marks.js';
import { indexes, interval, PAGE, type Query, remaining, type Rows, type TableRenewal, type TableRequest, textArray } from './rows.js';

const KIND = `'lock'`;
/** Order in which every statement locks rows, so that two of them never wait for each other. */
const ORDER = 'l.kind, l.name';

/**
 * Locks: a row each, with owner, fence and expiry. A row stays when its lease ends, and its fence with it: a token that is
 * drawn for a row that is there is drawn under its lock.
 */
export class LockRows implements Rows<bigint> {
  readonly #table: string;
  readonly #sequence: string;
  readonly #namespace: string;

  constructor(schema: string, namespace: string) {
    this.#table = `"${schema}".leases`;
    this.#sequence = `nextval('"${schema}".fence'::regclass)`;
    this.#namespace = namespace;
  }

  async attempt(requests: readonly TableRequest[], query: Query): Promise<readonly Answer<bigint>[]> {
    const ttl = interval('asked.ttl');
    const isMine = `l.owner = excluded.owner AND l.expires_at > clock_timestamp()`;
    const rows = await query(
      `WITH asked AS MATERIALIZED (
        SELECT i, decode(name, 'hex') AS name, owner, label, ttl
        FROM unnest($2::text[], $3::text[], $4::text[], $5::float8[]) WITH ORDINALITY AS r(name, owner, label, ttl, i)
      ), granted AS (
        INSERT INTO ${this.#table} AS l (namespace, kind, name, owner, label, fence, expires_at, holders, writer_waits_until)
        SELECT $1, ${KIND}, asked.name, owner, label, ${this.#sequence}, clock_timestamp() + ${ttl}, '{}', '-infinity'
        FROM asked ORDER BY name
        ON CONFLICT (namespace, kind, name) DO UPDATE SET
          fence = CASE WHEN ${isMine} THEN l.fence ELSE ${this.#sequence} END,
          expires_at = CASE WHEN ${isMine} THEN greatest(l.expires_at, excluded.expires_at) ELSE excluded.expires_at END,
          owner = excluded.owner, label = excluded.label
        WHERE l.expires_at <= clock_timestamp() OR l.owner = excluded.owner
        RETURNING l.name, l.fence, set_config('synchronous_commit', 'on', true)
      )
      SELECT asked.i, granted.fence, extract(epoch FROM l.expires_at - clock_timestamp()) * 1000
      FROM asked LEFT JOIN granted USING (name)
        LEFT JOIN ${this.#table} l ON l.namespace = $1 AND l.kind = ${KIND} AND l.name = asked.name
      ORDER BY asked.i`,
      [
        this.#namespace,
        textArray(requests.map(({ name }) => hexOf(name))),
        textArray(requests.map(({ owner }) => owner)),
        textArray(requests.map(({ label }) => label.replaceAll('\0', ''))),
        textArray(requests.map(({ ttlMs }) => String(ttlMs))),
      ],
      Math.max(...requests.map(({ ttlMs }) => ttlMs)),
    );
    return rows.map(readAnswer);
  }

  async renew(holds: readonly TableRenewal[], query: Query): Promise<readonly boolean[]> {
    const rows = await query(
      `WITH ${this.#mine()}
      UPDATE ${this.#table} l SET expires_at = greatest(l.expires_at, clock_timestamp() + ${interval('mine.ttl')})
      FROM mine WHERE l.namespace = $1 AND l.kind = ${KIND} AND l.name = mine.name AND l.owner = mine.owner RETURNING mine.i`,
      this.#refs(holds, (index) => holds[index]?.ttlMs ?? 0),
    );
    const renewed = indexes(rows);
    return holds.map((_, index) => renewed.has(index + 1));
  }

  async release(holds: readonly HoldRef[], query: Query): Promise<readonly boolean[]> {
    const rows = await query(
      `WITH ${this.#mine()}
      UPDATE ${this.#table} l SET owner = NULL, label = NULL, expires_at = clock_timestamp()
      FROM mine WHERE l.namespace = $1 AND l.kind = ${KIND} AND l.name = mine.name AND l.owner = mine.owner RETURNING mine.i`,
      this.#refs(holds, () => 0),
    );
    const freed = indexes(rows);
    return holds.map((_, index) => freed.has(index + 1));
  }

  async inspect(name: string, query: Query): Promise<LockState> {
    const [row] = await query(`${this.#select()} AND name = decode($2, 'hex')`, [this.#namespace, hexOf(name)]);
    return row === undefined ? { name, kind: 'lock', held: false, holders: [], waiters: null } : readState(row);
  }

  async forceRelease(name: string, query: Query): Promise<boolean> {
    const rows = await query(
      `UPDATE ${this.#table} SET owner = NULL, label = NULL, expires_at = clock_timestamp()
      WHERE namespace = $1 AND kind = ${KIND} AND name = decode($2, 'hex') AND expires_at > clock_timestamp() RETURNING 1`,
      [this.#namespace, hexOf(name)],
    );
    return rows.length > 0;
  }

  async list(prefix: string, after: string | null, query: Query): Promise<readonly LockState[]> {
    const rows = await query(
      `${this.#select()} AND substring(name FOR length(decode($2, 'hex'))) = decode($2, 'hex') AND name > decode($3, 'hex')
      ORDER BY name LIMIT ${PAGE}`,
      [this.#namespace, hexOf(prefix), hexOf(after ?? '')],
    );
    return rows.map(readState);
  }

  #select(): string {
    return `SELECT encode(name, 'hex'), label, fence, extract(epoch FROM expires_at - clock_timestamp()) * 1000
      FROM ${this.#table} WHERE namespace = $1 AND kind = ${KIND} AND expires_at > clock_timestamp()`;
  }

  /** The rows of these owners that have not expired, locked in the one order. */
  #mine(): string {
    return `asked AS MATERIALIZED (
        SELECT i, decode(name, 'hex') AS name, owner, ttl
        FROM unnest($2::text[], $3::text[], $4::float8[]) WITH ORDINALITY AS r(name, owner, ttl, i)
      ), mine AS MATERIALIZED (
        SELECT i, l.name, l.owner, ttl FROM ${this.#table} l JOIN asked USING (name)
        WHERE l.namespace = $1 AND l.kind = ${KIND} AND l.owner = asked.owner AND l.expires_at > clock_timestamp()
        ORDER BY ${ORDER} FOR UPDATE OF l
      )`;
  }

  #refs(holds: readonly HoldRef[], ttlMs: (index: number) => number): readonly string[] {
    return [
      this.#namespace,
      textArray(holds.map(({ name }) => hexOf(name))),
      textArray(holds.map(({ owner }) => owner)),
      textArray(holds.map((_, index) => String(ttlMs(index)))),
    ];
  }
}

function readAnswer(row: Row): Answer<bigint> {
  const fence = row[1];
  if (fence !== null && fence !== undefined) return { granted: true, fencingToken: BigInt(fence) };
  return { granted: false, remainingMs: remaining(row[2]) };
}

function readState(row: Row): LockState {
  const [name, label, fence, left] = row;
  const holder = {
    label: label ?? null,
    mode: 'exclusive',
    permits: 1,
    remainingMs: remaining(left),
    fencingToken: BigInt(fence ?? 0),
  } as const;
  return { name: Buffer.from(name ?? '', 'hex').toString('utf8'), kind: 'lock', held: true, holders: [holder], waiters: null };
}
