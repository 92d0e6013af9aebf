import { type Answer, type HolderState, type HoldRef, type LockState, LockUnavailableError } from '@holdfast/core';
import type { Row } from '../connection.js';
import { BACKEND, unavailableBecause } from '../postgres-error.js';
import { indexes, interval, PAGE, type Query, remaining, type Rows, type TableRenewal, type TableRequest, textArray } from './rows.js';

/** Stands before our owner in `locked_by`, behind the label, which is for people. */
const MARK = 'holdfast:';
const MAX_LABEL = 100;

/**
 * Locks in a table of ShedLock (JVM): `name, lock_until, locked_at, locked_by`. Its users and we exclude each other, because
 * both take a row only when its time is over. Rows of others are looked at, and taken when their time is over; nothing else.
 */
export class ShedLockRows implements Rows<null> {
  readonly #table: string;
  readonly #regclass: string;
  #clock: string | null = null;

  /** @param table its name, or its schema and its name */
  constructor(table: readonly string[]) {
    this.#table = table.map((part) => `"${part}"`).join('.');
    this.#regclass = this.#table;
  }

  async attempt(requests: readonly TableRequest[], query: Query): Promise<readonly Answer<null>[]> {
    const now = await this.#now(query);
    const rows = await query(
      `WITH asked AS MATERIALIZED (
        SELECT i, name, locked_by, ttl FROM unnest($1::text[], $2::text[], $3::float8[]) WITH ORDINALITY AS r(name, locked_by, ttl, i)
      ), granted AS (
        INSERT INTO ${this.#table} AS l (name, lock_until, locked_at, locked_by)
        SELECT asked.name, ${now} + ${interval('ttl')}, ${now}, asked.locked_by FROM asked ORDER BY asked.name
        ON CONFLICT (name) DO UPDATE SET
          lock_until = CASE WHEN l.locked_by = excluded.locked_by THEN greatest(l.lock_until, excluded.lock_until) ELSE excluded.lock_until END,
          locked_at = excluded.locked_at, locked_by = excluded.locked_by
        WHERE l.lock_until <= ${now} OR l.locked_by = excluded.locked_by
        RETURNING l.name, set_config('synchronous_commit', 'on', true)
      )
      SELECT asked.i, granted.name IS NOT NULL, extract(epoch FROM l.lock_until - ${now}) * 1000
      FROM asked LEFT JOIN granted USING (name) LEFT JOIN ${this.#table} l ON l.name = asked.name ORDER BY asked.i`,
      [
        textArray(requests.map(({ name }) => plain(name))),
        textArray(requests.map(({ owner, label }) => `${plain(label).slice(0, MAX_LABEL)} ${MARK}${owner}`)),
        textArray(requests.map(({ ttlMs }) => String(ttlMs))),
      ],
      Math.max(...requests.map(({ ttlMs }) => ttlMs)),
    );
    return rows.map(([, isGranted, left]) =>
      isGranted === 't' ? { granted: true, fencingToken: null } : { granted: false, remainingMs: remaining(left) },
    );
  }

  async renew(holds: readonly TableRenewal[], query: Query): Promise<readonly boolean[]> {
    const now = await this.#now(query);
    return this.#update(holds, `greatest(l.lock_until, ${now} + ${interval('mine.ttl')})`, (index) => holds[index]?.ttlMs ?? 0, now, query);
  }

  async release(holds: readonly HoldRef[], query: Query): Promise<readonly boolean[]> {
    const now = await this.#now(query);
    return this.#update(holds, now, () => 0, now, query);
  }

  async inspect(name: string, query: Query): Promise<LockState> {
    const [row] = await query(`${this.#select(await this.#now(query))} AND name = $1`, [plain(name)]);
    return row === undefined ? { name, kind: 'lock', held: false, holders: [], waiters: null } : readState(row);
  }

  async forceRelease(name: string, query: Query): Promise<boolean> {
    const now = await this.#now(query);
    const rows = await query(
      `WITH held AS MATERIALIZED (SELECT locked_by FROM ${this.#table} WHERE name = $1 AND lock_until > ${now}),
        freed AS (UPDATE ${this.#table} SET lock_until = ${now} WHERE name = $1 AND lock_until > ${now} AND position($2 IN locked_by) > 0 RETURNING 1)
      SELECT count(*), (SELECT count(*) FROM freed) FROM held`,
      [plain(name), MARK],
    );
    const [held, freed] = rows[0] ?? [];
    if (freed === '1') return true;
    if (held !== '1') return false;
    throw unavailableBecause('a user of ShedLock has this lock; it can only be freed there', { retryable: false, lockName: name });
  }

  async list(prefix: string, after: string | null, query: Query): Promise<readonly LockState[]> {
    const rows = await query(
      `${this.#select(await this.#now(query))} AND left(name, length($1)) = $1 AND name COLLATE "C" > $2 ORDER BY name COLLATE "C" LIMIT ${PAGE}`,
      [plain(prefix), plain(after ?? '')],
    );
    return rows.map(readState);
  }

  async #update(
    holds: readonly HoldRef[],
    until: string,
    ttlMs: (index: number) => number,
    now: string,
    query: Query,
  ): Promise<readonly boolean[]> {
    const rows = await query(
      `WITH asked AS MATERIALIZED (
        SELECT i, name, owner, ttl FROM unnest($1::text[], $2::text[], $3::float8[]) WITH ORDINALITY AS r(name, owner, ttl, i)
      ), mine AS MATERIALIZED (
        SELECT i, l.name, l.locked_by, ttl FROM ${this.#table} l JOIN asked USING (name)
        WHERE right(l.locked_by, length(asked.owner)) = asked.owner AND l.lock_until > ${now} ORDER BY l.name FOR UPDATE OF l
      )
      UPDATE ${this.#table} l SET lock_until = ${until} FROM mine WHERE l.name = mine.name AND l.locked_by = mine.locked_by RETURNING mine.i`,
      [
        textArray(holds.map(({ name }) => plain(name))),
        textArray(holds.map(({ owner }) => MARK + owner)),
        textArray(holds.map((_, index) => String(ttlMs(index)))),
      ],
    );
    const done = indexes(rows);
    return holds.map((_, index) => done.has(index + 1));
  }

  #select(now: string): string {
    return `SELECT name, locked_by, extract(epoch FROM lock_until - ${now}) * 1000 FROM ${this.#table} WHERE lock_until > ${now}`;
  }

  /** The present time as ShedLock writes it: in UTC where the column has no time zone. */
  async #now(query: Query): Promise<string> {
    if (this.#clock !== null) return this.#clock;
    const [row] = await query(
      `SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = 'lock_until' AND NOT attisdropped`,
      [this.#regclass],
    );
    const type = row?.[0];
    if (type === 'timestamp with time zone') this.#clock = 'clock_timestamp()';
    else if (type === 'timestamp without time zone') this.#clock = `timezone('utc', clock_timestamp())`;
    else throw wrongTable(this.#table);
    return this.#clock;
  }
}

function wrongTable(table: string): LockUnavailableError {
  return unavailableBecause(
    `${table} is not a table of ShedLock that this role may see. It is made by: CREATE TABLE ${table} (name varchar(64) PRIMARY KEY, ` +
      'lock_until timestamp NOT NULL, locked_at timestamp NOT NULL, locked_by varchar(255) NOT NULL)',
    { retryable: false },
  );
}

/** A text of PostgreSQL holds every character but one. */
function plain(text: string): string {
  if (!text.includes('\0')) return text;
  throw new LockUnavailableError('postgres: a table of ShedLock cannot hold a name or label with the character U+0000', {
    backend: BACKEND,
    retryable: false,
  });
}

function readState([name, lockedBy, left]: Row): LockState {
  const label = (lockedBy ?? '').replace(/ holdfast:[0-9a-f]{32}$/, '');
  const holder: HolderState = { label, mode: 'exclusive', permits: 1, remainingMs: remaining(left), fencingToken: null };
  return { name: name ?? '', kind: 'lock', held: true, holders: [holder], waiters: null };
}
