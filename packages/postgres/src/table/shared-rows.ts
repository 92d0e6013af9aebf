import { Buffer } from 'node:buffer';
import type { Answer, HolderState, HoldRef, LockState } from '@holdfast/core';
import type { Row } from '../connection.js';
import { hexOf } from '../marks.js';
import { NOW_MS, PAGE, type Query, remaining, type Rows, type TableRenewal, type TableRequest, textArray } from './rows.js';

/** What is kept of one holder, by its owner: mode, permits, expiry in ms, token (microseconds since 1970 are exact in a double) and label. */
interface StoredHolder {
  readonly m: 'p' | 'r' | 'w';
  readonly p: number;
  readonly e: number;
  readonly f: number;
  readonly l: string;
}

const LETTERS = { permits: 'p', read: 'r', write: 'w' } as const;
const MODES: Readonly<Record<StoredHolder['m'], HolderState['mode']>> = { p: 'permits', r: 'read', w: 'write' };

/** For so long after its last attempt a waiting writer keeps new readers out. */
const INTENT_MS = 2_500;

/**
 * Semaphores and read/write locks: all holders of a name in one row, because only the row that a statement has locked is
 * sure to be read as it is; counting the rows of others would count those of a moment ago.
 */
export class SharedRows implements Rows<bigint> {
  readonly #kind: 'semaphore' | 'read-write';
  readonly #table: string;
  readonly #sequence: string;
  readonly #namespace: string;

  constructor(kind: 'semaphore' | 'read-write', schema: string, namespace: string) {
    this.#kind = kind;
    this.#table = `"${schema}".leases`;
    this.#sequence = `nextval('"${schema}".fence'::regclass)`;
    this.#namespace = namespace;
  }

  async attempt(requests: readonly TableRequest[], query: Query): Promise<readonly Answer<bigint>[]> {
    const fits = `(SELECT CASE asked_mode
        WHEN 'p' THEN coalesce(sum((h.value->>'p')::bigint), 0) + asked_permits <= (excluded.holders->excluded.owner->>'limit')::bigint
        WHEN 'r' THEN coalesce(bool_and(h.value->>'m' = 'r'), true) AND l.writer_waits_until <= clock_timestamp()
        ELSE count(h.key) = 0 END
      FROM (SELECT excluded.holders->excluded.owner->>'m' AS asked_mode, (excluded.holders->excluded.owner->>'p')::bigint AS asked_permits) AS own
        LEFT JOIN jsonb_each(${live('l.holders', 'excluded.owner')}) AS h ON true
      GROUP BY asked_mode, asked_permits)`;
    const mine = `l.holders->excluded.owner`;
    const stands = `coalesce((${mine}->>'e')::float8 > ${NOW_MS}, false)`;
    const rows = await query(
      `WITH asked AS MATERIALIZED (
        SELECT i, decode(name, 'hex') AS name, owner, mode, permits, most, waits, ${this.#sequence} AS fence,
          jsonb_build_object('m', mode, 'p', permits, 'e', ${NOW_MS} + ttl, 'l', label) AS holder, ttl
        FROM unnest($2::text[], $3::text[], $4::text[], $5::float8[], $6::text[], $7::bigint[], $8::bigint[], $9::bool[])
          WITH ORDINALITY AS r(name, owner, label, ttl, mode, permits, most, waits, i)
      ), granted AS (
        INSERT INTO ${this.#table} AS l (namespace, kind, name, owner, label, fence, expires_at, holders, writer_waits_until)
        SELECT $1, '${this.#kind}', asked.name, owner, waits::text, fence, clock_timestamp() + ttl * interval '1 millisecond',
          jsonb_build_object(owner, holder || jsonb_build_object('f', fence, 'limit', most)), '-infinity'
        FROM asked ORDER BY name
        ON CONFLICT (namespace, kind, name) DO UPDATE SET (owner, fence, holders, expires_at, writer_waits_until) = (
          SELECT excluded.owner, drawn.fence,
            CASE WHEN may THEN ${live('l.holders', 'excluded.owner')} || jsonb_build_object(excluded.owner, excluded.holders->excluded.owner
              || jsonb_build_object('f', drawn.fence) || CASE WHEN stands THEN jsonb_build_object('f', ${mine}->'f',
                'e', greatest((${mine}->>'e')::float8, (excluded.holders->excluded.owner->>'e')::float8)) ELSE '{}' END)
            ELSE l.holders END,
            CASE WHEN may THEN greatest(l.expires_at, excluded.expires_at) ELSE l.expires_at END,
            CASE WHEN NOT may AND excluded.label = 'true' THEN clock_timestamp() + interval '${INTENT_MS} milliseconds'
              WHEN may AND excluded.holders->excluded.owner->>'m' = 'w' THEN '-infinity' ELSE l.writer_waits_until END
          FROM (SELECT ${this.#sequence} AS fence, ${fits} OR ${stands} AS may, ${stands} AS stands OFFSET 0) AS drawn)
        WHERE ${fits} OR ${stands} OR excluded.label = 'true'
        RETURNING l.name, l.holders->l.owner->>'f' AS token, set_config('synchronous_commit', 'on', true)
      )
      SELECT asked.i, granted.token,
        (SELECT min((h.value->>'e')::float8) - ${NOW_MS} FROM jsonb_each(l.holders) AS h WHERE (h.value->>'e')::float8 > ${NOW_MS})
      FROM asked LEFT JOIN granted USING (name)
        LEFT JOIN ${this.#table} l ON l.namespace = $1 AND l.kind = '${this.#kind}' AND l.name = asked.name
      ORDER BY asked.i`,
      this.#requestValues(requests),
      Math.max(...requests.map(({ ttlMs }) => ttlMs)),
    );
    return rows.map(([, token, left]) =>
      token === null || token === undefined
        ? { granted: false, remainingMs: remaining(left) }
        : { granted: true, fencingToken: BigInt(token) },
    );
  }

  async renew(holds: readonly TableRenewal[], query: Query): Promise<readonly boolean[]> {
    const changed = `CASE WHEN mine.owners ? h.key THEN h.value || jsonb_build_object('e',
      greatest((h.value->>'e')::float8, ${NOW_MS} + (mine.owners->>h.key)::float8)) ELSE h.value END`;
    const owners = await this.#update(holds, (index) => holds[index]?.ttlMs ?? 0, changed, 'l.holders', query);
    return holds.map(({ name, owner }) => owners.get(name)?.has(owner) === true);
  }

  async release(holds: readonly HoldRef[], query: Query): Promise<readonly boolean[]> {
    const changed = `CASE WHEN mine.owners ? h.key THEN NULL ELSE h.value END`;
    const owners = await this.#update(holds, () => 0, changed, 'mine.before', query);
    return holds.map(({ name, owner }) => owners.get(name)?.has(owner) === true);
  }

  async inspect(name: string, query: Query): Promise<LockState> {
    const [row] = await query(`${this.#select()} AND name = decode($2, 'hex')`, [this.#namespace, hexOf(name)]);
    return row === undefined ? { name, kind: this.#kind, held: false, holders: [], waiters: null } : readState(row, this.#kind);
  }

  async forceRelease(name: string, query: Query): Promise<boolean> {
    const rows = await query(
      `UPDATE ${this.#table} SET holders = '{}', expires_at = clock_timestamp()
      WHERE namespace = $1 AND kind = '${this.#kind}' AND name = decode($2, 'hex') AND ${live('holders')} <> '{}' RETURNING 1`,
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
    return rows.map((row) => readState(row, this.#kind));
  }

  /** A waiting writer that has given up lets readers in. */
  async withdraw(name: string, query: Query): Promise<void> {
    await query(
      `UPDATE ${this.#table} SET writer_waits_until = '-infinity'
      WHERE namespace = $1 AND kind = '${this.#kind}' AND name = decode($2, 'hex') AND writer_waits_until > clock_timestamp()`,
      [this.#namespace, hexOf(name)],
    );
  }

  /** Changes the holders of each name, whoever expired being dropped; `tells` names what of before or after is answered. */
  async #update(
    holds: readonly HoldRef[],
    ttlMs: (index: number) => number,
    changed: string,
    tells: string,
    query: Query,
  ): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
    const byName = new Map<string, Record<string, number>>();
    for (const [index, { name, owner }] of holds.entries()) {
      const owners = byName.get(name) ?? {};
      owners[owner] = ttlMs(index);
      byName.set(name, owners);
    }
    const names = [...byName.keys()];
    const rows = await query(
      `WITH asked AS MATERIALIZED (
        SELECT decode(name, 'hex') AS name, owners::jsonb FROM unnest($2::text[], $3::text[]) AS r(name, owners)
      ), mine AS MATERIALIZED (
        SELECT l.name, owners, ${live('l.holders')} AS before FROM ${this.#table} l JOIN asked USING (name)
        WHERE l.namespace = $1 AND l.kind = '${this.#kind}' ORDER BY l.kind, l.name FOR UPDATE OF l
      )
      UPDATE ${this.#table} l SET (holders, expires_at) = (
        SELECT coalesce(jsonb_object_agg(key, value) FILTER (WHERE value IS NOT NULL), '{}'),
          greatest(clock_timestamp(), to_timestamp(max((value->>'e')::float8) / 1000))
        FROM (SELECT h.key, ${changed} AS value FROM jsonb_each(mine.before) AS h) AS kept)
      FROM mine WHERE l.namespace = $1 AND l.kind = '${this.#kind}' AND l.name = mine.name
      RETURNING encode(l.name, 'hex'), (SELECT string_agg(key, ',') FROM jsonb_object_keys(${tells}) AS key)`,
      [this.#namespace, textArray(names.map(hexOf)), textArray(names.map((name) => JSON.stringify(byName.get(name))))],
    );
    const told = new Map<string, ReadonlySet<string>>();
    for (const [name, owners] of rows) told.set(Buffer.from(name ?? '', 'hex').toString('utf8'), new Set(owners?.split(',')));
    return told;
  }

  #select(): string {
    return `SELECT encode(name, 'hex'), ${live('holders')}, ${NOW_MS} FROM ${this.#table}
      WHERE namespace = $1 AND kind = '${this.#kind}' AND ${live('holders')} <> '{}'`;
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

/** Those of the holders whose time is not over, without one of them. */
function live(holders: string, without?: string): string {
  const others = without === undefined ? '' : ` AND h.key <> ${without}`;
  return `(SELECT coalesce(jsonb_object_agg(h.key, h.value), '{}') FROM jsonb_each(${holders}) AS h
    WHERE (h.value->>'e')::float8 > ${NOW_MS}${others})`;
}

function readState([name, holders, now]: Row, kind: LockState['kind']): LockState {
  const stored = Object.values(JSON.parse(holders ?? '{}') as Record<string, StoredHolder>);
  return {
    name: Buffer.from(name ?? '', 'hex').toString('utf8'),
    kind,
    held: stored.length > 0,
    holders: stored.map(({ m, p, e, f, l }) => ({
      label: l,
      mode: MODES[m],
      permits: p,
      remainingMs: Math.max(0, Math.ceil(e - Number(now))),
      fencingToken: m === 'p' ? null : BigInt(f),
    })),
    waiters: null,
  };
}
