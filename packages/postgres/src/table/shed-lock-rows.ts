import { type HolderState, type HoldRef, LockArgumentError } from '@holdfast/core';
import { labelOf } from '@holdfast/core/backend';
import type { Row } from '../connection.js';
import { eq, gt, le, ne, plus, rowsFrom } from '../operators.js';
import { beforeSending, BACKEND, sqlState, unavailableBecause } from '../postgres-error.js';
import {
  COMMIT_HERE,
  type Freed,
  type HeldState,
  interval,
  isTimely,
  msUntil,
  PAGE,
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
import { lookAtShedLockTable, type ShedLockTable } from './shed-lock-table.js';

/** Stands before our owner in `locked_by`, behind the label, which is for people. */
const MARK = 'holdfast:';
/** A space, the mark and the owner. */
const SIGNATURE_LENGTH = 1 + MARK.length + 32;
const MAX_LABEL = 100;

/**
 * Locks in a table of ShedLock (JVM): `name, lock_until, locked_at, locked_by`. Its users and we exclude each other, because
 * both take a row only when its time is over. Rows of others are looked at, and taken when their time is over; nothing else.
 *
 * As in rows of our own each step is an INSERT that finds its rows in the way. What a renewal or a release inserts where there is none
 * is a row whose time is over, as ShedLock leaves them.
 */
export class ShedLockRows implements Rows<null> {
  readonly #path: readonly string[];
  #table: ShedLockTable | null = null;

  /** @param path the table's name, or its schema and its name */
  constructor(path: readonly string[]) {
    this.#path = path;
  }

  async attempt(requests: readonly TableRequest[], query: TimedQuery, plain: Query): Promise<readonly (TableAnswer<null> | 'late')[]> {
    const table = await beforeSending(this.#look(plain));
    for (const { name } of requests) refuseTooLong(name, table);
    const { name, now, ceil, floor } = table;
    const { rows, isLate } = await this.#send(
      query,
      `WITH asked AS MATERIALIZED (
        SELECT i, name, locked_by, ttl FROM ${rowsFrom(['text', 'text', 'numeric'])} AS r(name, locked_by, ttl, i)
      ), granted AS (
        INSERT INTO ${name} AS l (name, lock_until, locked_at, locked_by)
        SELECT asked.name, ${ceil(`${now} ${plus} ${interval('ttl')}`)}, ${floor(now)}, asked.locked_by FROM asked
        WHERE ${isTimely(4)} ORDER BY asked.name
        ON CONFLICT (name) DO UPDATE SET
          lock_until = CASE WHEN l.locked_by ${eq} excluded.locked_by THEN greatest(l.lock_until, excluded.lock_until)
            ELSE excluded.lock_until END,
          locked_at = CASE WHEN l.locked_by ${eq} excluded.locked_by THEN l.locked_at ELSE excluded.locked_at END, locked_by = excluded.locked_by
        WHERE (l.lock_until ${le} ${now} OR l.locked_by ${eq} excluded.locked_by) AND ${isTimely(4)}
        RETURNING l.name, pg_catalog.set_config('synchronous_commit', 'on', true)
      )
      SELECT asked.i, granted.name IS NOT NULL AS is_granted, ${msUntil('l.lock_until', now)}, l.locked_at::pg_catalog.text AS latest, ${SERVER_MS}
      FROM asked LEFT JOIN granted ON granted.name ${eq} asked.name
        LEFT JOIN LATERAL (SELECT lock_until, locked_at FROM ${name} AS l WHERE l.name ${eq} asked.name OFFSET 0) AS l ON true
      ORDER BY asked.i`,
      [
        textArray(requests.map((request) => request.name)),
        textArray(requests.map((request) => lockedBy(request, table))),
        textArray(requests.map(({ ttlMs }) => String(ttlMs))),
      ],
    );
    return rows.map((row) => {
      if (row[1] === 't') return { granted: true, fencingToken: null };
      return isLate(row) ? 'late' : { granted: false, remainingMs: remaining(row[2]), latest: row[3] ?? null };
    });
  }

  async renew(holds: readonly TableRenewal[], query: TimedQuery, plain: Query): Promise<readonly (boolean | 'late')[]> {
    const table = await this.#look(plain);
    const text = this.#change('greatest(l.lock_until, excluded.locked_at)', table, `AND ${isTimely(4)}`);
    const values = refs(holds, table, ({ ttlMs }) => ttlMs);
    return readChanges(await this.#send(query, text, values));
  }

  async release(holds: readonly HoldRef[], query: Query): Promise<readonly Freed[]> {
    const table = await this.#look(query);
    const text = this.#change('excluded.lock_until', table, '', `${COMMIT_HERE}, `);
    const values = refs(holds, table, () => 0);
    return readFreed(await this.#send(query, text, values));
  }

  /** The owner alone is known, which the renewal compares. */
  granted(): Promise<'any'> {
    return Promise.resolve('any');
  }

  async inspect(name: string, query: Query): Promise<HeldState> {
    const table = await this.#look(query);
    const free: HeldState = { name, kind: 'lock', held: false, holders: [] };
    if (!fits(name, table)) return free;
    const [row] = await this.#send(query, `${select(table)} AND name ${eq} $1`, [name]);
    return row === undefined ? free : readState(row);
  }

  async forceRelease(name: string, query: Query): Promise<boolean> {
    const table = await this.#look(query);
    if (!fits(name, table)) return false;
    const isHeld = `name ${eq} $1 AND lock_until ${gt} ${table.now}`;
    const rows = await this.#send(
      query,
      `WITH held AS MATERIALIZED (SELECT locked_by FROM ${table.name} WHERE ${isHeld}),
        freed AS (UPDATE ${table.name} SET lock_until = ${table.floor(table.now)}
          WHERE ${isHeld} AND pg_catalog.strpos(locked_by, $2) ${gt} 0 RETURNING 1)
      SELECT pg_catalog.count(*), (SELECT pg_catalog.count(*) FROM freed) AS freed FROM held`,
      [name, MARK],
    );
    const [held, freed] = rows[0] ?? [];
    if (freed === '1') return true;
    if (held !== '1') return false;
    throw unavailableBecause('a user of ShedLock has this lock; it can only be freed there', { retryable: false, lockName: name });
  }

  async list(prefix: string, after: string | null, query: Query): Promise<readonly HeldState[]> {
    const table = await this.#look(query);
    if (prefix.includes('\0')) return [];
    const rows = await this.#send(
      query,
      `${select(table)} AND pg_catalog.starts_with(name, $1) AND name COLLATE pg_catalog."C" ${gt} $2
      ORDER BY name COLLATE pg_catalog."C" LIMIT ${PAGE}`,
      [prefix, after ?? ''],
    );
    return rows.map(readState);
  }

  /** Changes `lock_until` of the rows that have these owners and whose time is not over; answers for each row whether it did, and the time. */
  #change(until: string, { name, now, ceil, floor }: ShedLockTable, condition = '', commit = ''): string {
    // The row that is inserted says by `locked_at` until when the one in its way is to be held.
    return `WITH asked AS MATERIALIZED (
        SELECT i, name, owner, ttl FROM ${rowsFrom(['text', 'text', 'numeric'])} AS r(name, owner, ttl, i)
      ), changed AS (
        INSERT INTO ${name} AS l (name, lock_until, locked_at, locked_by)
        SELECT asked.name, ${floor(now)}, ${ceil(`${now} ${plus} ${interval('ttl')}`)}, owner
        FROM asked WHERE asked.name ${ne} '' ORDER BY asked.name
        ON CONFLICT (name) DO UPDATE SET lock_until = ${until}
        WHERE l.lock_until ${gt} ${now} AND pg_catalog.right(l.locked_by, pg_catalog.length(excluded.locked_by)) ${eq} excluded.locked_by
          ${condition}
        RETURNING l.name, l.locked_by
      )
      SELECT asked.i, coalesce(pg_catalog.length(changed.locked_by) ${gt} pg_catalog.length(asked.owner), false), ${commit}${SERVER_MS}
      FROM asked LEFT JOIN changed ON changed.name ${eq} asked.name ORDER BY asked.i`;
  }

  async #look(query: Query): Promise<ShedLockTable> {
    this.#table ??= await lookAtShedLockTable(this.#path, SIGNATURE_LENGTH, query);
    return this.#table;
  }

  async #send<T>(query: (text: string, values: readonly string[]) => Promise<T>, text: string, values: readonly string[]): Promise<T> {
    try {
      return await query(text, values);
    } catch (error) {
      // Somebody may have changed the table: the next call looks again.
      if (sqlState(error) !== null) this.#table = null;
      throw error;
    }
  }
}

function select({ name, now }: ShedLockTable): string {
  return `SELECT name, locked_by, ${msUntil('lock_until', now)} AS left_ms, ${msUntil(now, 'locked_at')} AS age_ms FROM ${name} WHERE lock_until ${gt} ${now}`;
}

/** PostgreSQL counts characters, and cuts spaces off an end that does not fit: another name would be locked. */
function fits(name: string, { maxName }: ShedLockTable): boolean {
  return !name.includes('\0') && (name.length <= maxName || Array.from(name).length <= maxName);
}

/** Names, owners and times of holds, as columns. A name that the table cannot hold was never granted: it stands as none. */
function refs<H extends HoldRef>(holds: readonly H[], table: ShedLockTable, ttlOf: (hold: H) => number): readonly string[] {
  return [
    textArray(holds.map(({ name }) => (fits(name, table) ? name : ''))),
    textArray(holds.map(({ owner }) => MARK + owner)),
    textArray(holds.map((hold) => String(ttlOf(hold)))),
  ];
}

function refuseTooLong(name: string, table: ShedLockTable): void {
  if (fits(name, table)) return;
  const rule = name.includes('\0') ? 'without the character U+0000' : `of ${table.maxName} characters at most`;
  throw new LockArgumentError(`postgres: the table of ShedLock holds names ${rule}`, { option: 'name', backend: BACKEND, lockName: name });
}

function lockedBy({ owner, label }: TableRequest, { maxLockedBy }: ShedLockTable): string {
  const characters = Array.from(labelOf(label).replaceAll('\0', ''));
  return `${characters.slice(0, Math.min(MAX_LABEL, maxLockedBy - SIGNATURE_LENGTH)).join('')} ${MARK}${owner}`;
}

function readState([name, lockedBy, left, held]: Row): HeldState {
  const label = (lockedBy ?? '').replace(/ holdfast:[0-9a-f]{32}$/, '');
  const holder: HolderState = {
    label,
    mode: 'exclusive',
    permits: 1,
    remainingMs: remaining(left),
    fencingToken: null,
    heldMs: remaining(held),
  };
  return { name: name ?? '', kind: 'lock', held: true, holders: [holder] };
}
