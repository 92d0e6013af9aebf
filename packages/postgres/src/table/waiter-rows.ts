import type { LockKind, LockState } from '@holdfast/core';
import { type LineSign, SIGN_VALID_MS } from '@holdfast/core/backend';
import type { Row } from '../connection.js';
import { hexOf } from '../hex.js';
import { concat, eq, gt, hasMember, lt, member, memberText, minus, ne, NOW, plus, rowsFrom } from '../operators.js';
import { isTimely, NOW_MS, type Query, type TableRequest, textArray } from './rows.js';

/** What somebody waits for. */
export interface WaitedFor {
  readonly kind: LockKind;
  readonly name: string;
}

/** What goes with an attempt; see `WaiterRows.beside`. */
export interface Beside {
  /** A further part of the statement, `confirmed`, and what is to be selected of it, as the last column but one. */
  readonly confirmed: string;
  readonly column: string;
  readonly join: string;
  /** Two more values, or none. */
  readonly values: readonly string[];
  /** Reads the answer, a row for each request. */
  read(rows: readonly Row[]): void;
}

const NOTHING: Beside = { confirmed: '', column: '', join: '', values: [], read: () => {} };

/** How many wait for a name, and for how long the first of them has. */
export type Waiters = Pick<LockState, 'waiters' | 'oldestWaitMs'>;

/** The server's time when the first of a manager's waiters began to wait, and how many there are; until when that is to be believed. */
const [COUNT, SINCE, UNTIL] = ['n', 's', 'e'];
/** Such a row is of no use an hour after it was written: the same statement that clears old leases away takes it. */
const KEPT = `expires_at = CASE WHEN l.expires_at ${lt} (${NOW} ${minus} interval '30 minutes') THEN ${NOW} ELSE l.expires_at END`;

/**
 * How many wait, as managers say themselves in rows beside those of the leases: a pooler passes no notifications on, so nobody can be asked. A
 * row for each name that somebody waits for, with a member for each manager. Nothing is decided by it.
 */
export class WaiterRows {
  readonly #table: string;
  readonly #namespace: string;
  readonly #id: string;

  /** @param id of this manager, as other managers are to tell its signs from theirs */
  constructor(schema: string, namespace: string, id: string) {
    this.#table = `"${schema}".leases`;
    this.#namespace = namespace;
    this.#id = id;
  }

  /** Says how many wait here. Does not wait for the log of the server to be on disk: a sign that is lost comes again. */
  async tell(signs: readonly LineSign<WaitedFor>[], query: Query): Promise<void> {
    const live = `(SELECT coalesce(pg_catalog.jsonb_object_agg(h.key, h.value), '{}')
      FROM pg_catalog.jsonb_each(l.holders ${concat} excluded.holders) AS h
      WHERE ${number('h.value', UNTIL)} ${gt} ${NOW_MS} AND ${number('h.value', COUNT)} ${gt} 0)`;
    const sign = `pg_catalog.jsonb_build_object('${COUNT}', waiters, '${SINCE}', ${NOW_MS} ${minus} waited, '${UNTIL}', ${NOW_MS} ${plus} ${SIGN_VALID_MS})`;
    const columns = (valueOf: (sign: LineSign<WaitedFor>) => string): string => textArray(signs.map(valueOf));
    await query(
      `INSERT INTO ${this.#table} AS l (namespace, kind, name, fence, expires_at, holders, writer_waits_until)
      SELECT $1, kind, pg_catalog.decode(name, 'hex'), 0, ${NOW}, pg_catalog.jsonb_build_object($2::pg_catalog.text, ${sign}), '-infinity'
      FROM ${rowsFrom(['text', 'text', 'numeric', 'numeric'], 3)} AS r(kind, name, waiters, waited, i)
      WHERE pg_catalog.set_config('synchronous_commit', 'off', true) ${eq} 'off' ORDER BY kind, name
      ON CONFLICT (namespace, kind, name) DO UPDATE SET holders = ${live}, ${KEPT}`,
      [
        this.#namespace,
        this.#id,
        columns(({ key }) => rowKind(key.kind)),
        columns(({ key }) => hexOf(key.name)),
        columns(({ waiters }) => String(waiters)),
        columns(({ oldestWaitMs }) => String(Math.max(0, oldestWaitMs))),
      ],
    );
  }

  /**
   * What goes with an attempt of waiters: what their last sign has said of a line stands for longer. A sign that is not there is not made,
   * for the line may have ended meanwhile; of a name that is granted nothing is said, for its line changes.
   *
   * @param kind of the requests, which are `asked` and `granted`, earlier parts of the same statement
   * @param parameter the first that is free; those behind it say until when the statement may be carried out
   */
  beside(requests: readonly TableRequest[], kind: LockKind, parameter: number): Beside {
    if (requests.every(({ sign }) => sign === null)) return NOTHING;
    const id = `$${parameter}::pg_catalog.text`;
    const until = `pg_catalog.jsonb_build_object('${UNTIL}', ${NOW_MS} ${plus} ${SIGN_VALID_MS})`;
    return {
      // Only what is granted is worth the wait for the log.
      confirmed: `, confirmed AS (
        INSERT INTO ${this.#table} AS l (namespace, kind, name, fence, expires_at, holders, writer_waits_until)
        SELECT $1, '${rowKind(kind)}', asked.name, 0, ${NOW}, '{}', '-infinity'
        FROM asked JOIN ${rowsFrom(['bool'], parameter + 1)} AS line(has_sign, i) ON line.i ${eq} asked.i
        WHERE has_sign AND NOT EXISTS (SELECT FROM granted WHERE granted.name ${eq} asked.name)
          AND pg_catalog.set_config('synchronous_commit', CASE WHEN EXISTS (SELECT FROM granted) THEN 'on' ELSE 'off' END, true) ${ne} ''
        ORDER BY asked.name
        ON CONFLICT (namespace, kind, name) DO UPDATE SET ${KEPT},
          holders = l.holders ${concat} pg_catalog.jsonb_build_object(${id}, (l.holders ${member} ${id}) ${concat} ${until})
        WHERE (l.holders ${hasMember} ${id}) AND ${isTimely(parameter + 2)}
        RETURNING l.name, l.holders ${hasMember} ${id} AS is_shown
      )`,
      column: ', coalesce(confirmed.is_shown, false) AS is_shown',
      join: ` LEFT JOIN confirmed ON confirmed.name ${eq} asked.name`,
      values: [this.#id, textArray(requests.map(({ sign }) => String(sign !== null)))],
      read: (rows) => {
        for (const [index, row] of rows.entries()) if (row.at(-2) === 't') requests[index]?.sign?.taken();
      },
    };
  }

  /** What all managers say of these names, in their order. */
  async of(kind: LockKind, names: readonly string[], query: Query): Promise<readonly Waiters[]> {
    if (names.length === 0) return [];
    const rows = await query(
      `SELECT asked.i, pg_catalog.sum(${number('h.value', COUNT)}), ${NOW_MS} ${minus} pg_catalog.min(${number('h.value', SINCE)})
      FROM ${rowsFrom(['text'], 3)} AS asked(name, i)
        JOIN LATERAL (SELECT holders FROM ${this.#table} AS l WHERE l.namespace ${eq} $1 AND l.kind ${eq} $2
          AND l.name ${eq} pg_catalog.decode(asked.name, 'hex') OFFSET 0) AS l ON true
        JOIN LATERAL pg_catalog.jsonb_each(l.holders) AS h ON ${number('h.value', UNTIL)} ${gt} ${NOW_MS}
      GROUP BY asked.i`,
      [this.#namespace, rowKind(kind), textArray(names.map(hexOf))],
    );
    const byIndex = new Map(rows.map(([index, waiters, oldest]) => [Number(index), { waiters: Number(waiters), oldest: Number(oldest) }]));
    return names.map((_, index) => {
      const found = byIndex.get(index + 1);
      return found === undefined ? { waiters: 0, oldestWaitMs: null } : { waiters: found.waiters, oldestWaitMs: Math.max(0, found.oldest) };
    });
  }
}

/** Rows of waiters have a kind of their own, so that none is taken for one of a lease. */
function rowKind(kind: LockKind): string {
  return `${kind}-waiters`;
}

function number(object: string, name: string | undefined): string {
  return `(${object} ${memberText} '${name}')::pg_catalog.numeric`;
}
