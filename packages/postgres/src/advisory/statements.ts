import type { Row, Statement } from '../connection.js';
import { IDLE_MS, IS_OCCUPIED } from '../left-sessions.js';
import { bitOr, concat, dividedBy, eq, ge, gt, le, lt, matches, minus, ne, plus, rowsFrom, shiftLeft, times } from '../operators.js';

/**
 * The statements of the advisory strategy. None of them ever waits for a lock: one that waited would keep every release
 * of the session behind it. What must happen in an order is nested in CASE, the only construct whose order is fixed.
 */

/** Statements without values that are carried out where no session of locks is yet: anywhere else a number that is none ends them. */
export function onlyIfUnoccupied(text: string): string {
  return `SELECT CASE WHEN ${IS_OCCUPIED} THEN 'occupied' ELSE '0' END::pg_catalog.int4; ${text}`;
}

/** What a session is, before anything in it is changed. */
export const lookAtSession: Statement = {
  text: `
SELECT pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('synchronous_commit'),
  pg_catalog.current_setting('server_version_num'),
  (SELECT ${microseconds('backend_start')} FROM pg_catalog.pg_stat_activity WHERE pid ${eq} pg_catalog.pg_backend_pid()),
  ${IS_OCCUPIED},
  ${IDLE_MS}`,
};

/**
 * Changes the settings $1 to $2 in the session of the server process $3, and tells of each what it was: null where the session
 * itself had not set it. What a server does not know is left out.
 */
export const changeSettings: Statement = {
  text: `
WITH wanted AS MATERIALIZED (
  SELECT s.name, w.value, CASE WHEN s.source ${eq} 'session' THEN s.setting END AS before
  FROM ${rowsFrom(['text', 'text'])} AS w(name, value, i) JOIN pg_catalog.pg_settings AS s ON s.name ${eq} w.name
  WHERE pg_catalog.pg_backend_pid() ${eq} $3::pg_catalog.int4
    -- Elsewhere a server may refuse it.
    AND (s.name ${ne} 'client_connection_check_interval' OR pg_catalog.version() ${matches} 'linux')
  ORDER BY i
)
SELECT name, before, pg_catalog.set_config(name, value, false) FROM wanted`,
};

/** Puts settings back, in the session of the server process $3. null: to what it is where no session sets it. */
export const putSettingsBack: Statement = {
  text: `
SELECT pg_catalog.set_config(name, value, false) FROM ${rowsFrom(['text', 'text'])} AS was(name, value, i)
WHERE pg_catalog.pg_backend_pid() ${eq} $3::pg_catalog.int4`,
};

/** Ends a session that was given up and may still hold keys on the server, if it is that very one. */
export const endPredecessor: Statement = {
  text: `SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
    WHERE pid ${eq} $1::pg_catalog.int4 AND ${microseconds('backend_start')} ${eq} $2::pg_catalog.int8`,
};

/**
 * The same when no transaction of anybody is in it. No row: there is no such session; else whether it was ended. A session that asks
 * this finds itself at work, and leaves itself alone.
 */
export const endIfIdle: Statement = {
  text: `SELECT CASE WHEN state ${eq} 'idle' THEN pg_catalog.pg_terminate_backend(pid) ELSE false END FROM pg_catalog.pg_stat_activity
    WHERE pid ${eq} $1::pg_catalog.int4 AND ${microseconds('backend_start')} ${eq} $2::pg_catalog.int8`,
};

/** Statements without values that are carried out in this server process or nowhere: in any other a division by zero ends them. */
export function onlyInProcess(processId: number, text: string): Statement {
  return { text: `SELECT 1 ${dividedBy} (pg_catalog.pg_backend_pid() ${eq} ${processId})::pg_catalog.int4; ${text}` };
}

/** A time as a number, whose text depends on no setting. */
function microseconds(time: string): string {
  return `(extract(epoch FROM ${time}) ${times} 1000000)::pg_catalog.int8`;
}

/** What became of one request. */
const BUSY = -1;
/** Somebody was just looking whether anybody waits: ask again at once. */
export const NOT_ANNOUNCED = -2;
/** Busy, and the gate was not to be had. */
export const NO_GATE = -3;
/** Busy, and the gate is ours. */
export const GATE_TAKEN = -4;

/** A token of which the standbys have not been asked yet. */
export const UNCOMMITTED = 'uncommitted';

/**
 * Takes locks. For each: op x (exclusive or write; with a gate it takes that when busy), r (read) or g (the gate alone), the key, the gate, the key
 * that counts a further reader of this session, and the announcement to make first. null: not needed.
 *
 * A token is drawn under the lock, and must be flushed before it is shown, or it is drawn again after a crash. A sequence
 * writes to the log for 32 values ahead, and a commit that has written nothing itself waits for nothing: so where the log
 * is not flushed to its end the transaction writes a message of its own. Where standbys have to confirm it says so, and waits for
 * none of them: see TokenCommits.
 */
export function takeLocks(sequence: string): Statement {
  const draw = `pg_catalog.nextval('${sequence}'::pg_catalog.regclass)`;
  return {
    name: 'holdfast_take',
    text: `
WITH tried AS MATERIALIZED (
  SELECT i, CASE WHEN announcement IS NULL OR pg_catalog.pg_try_advisory_lock_shared(announcement) THEN
    CASE WHEN op ${eq} 'r' THEN
      CASE WHEN pg_catalog.pg_try_advisory_lock_shared(gate) THEN
        CASE WHEN key IS NULL OR pg_catalog.pg_try_advisory_lock_shared(key) THEN
          CASE WHEN pg_catalog.pg_advisory_unlock_shared(gate) THEN
            CASE WHEN counter IS NULL OR pg_catalog.pg_try_advisory_lock_shared(counter) THEN ${draw} END
          END
        ELSE CASE WHEN pg_catalog.pg_advisory_unlock_shared(gate) THEN ${BUSY} END END
      ELSE ${BUSY} END
    WHEN op ${eq} 'g' THEN CASE WHEN pg_catalog.pg_try_advisory_lock(gate) THEN ${GATE_TAKEN} ELSE ${NO_GATE} END
    ELSE
      CASE WHEN key IS NULL OR pg_catalog.pg_try_advisory_lock(key) THEN ${draw}
      WHEN gate IS NULL THEN ${BUSY}
      WHEN pg_catalog.pg_try_advisory_lock(gate) THEN ${GATE_TAKEN}
      ELSE ${NO_GATE} END
    END
  ELSE ${NOT_ANNOUNCED} END AS result
  FROM ${rowsFrom(['text', 'int8', 'int8', 'int8', 'int8'])} AS request(op, key, gate, counter, announcement, i)
)
SELECT i, result, pg_catalog.pg_backend_pid(),
  CASE WHEN result ${gt} 0 THEN
    CASE WHEN pg_catalog.current_setting('synchronous_standby_names') ${ne} '' THEN '${UNCOMMITTED}'
    WHEN pg_catalog.pg_current_wal_flush_lsn() ${lt} pg_catalog.pg_current_wal_insert_lsn()
    THEN pg_catalog.set_config('synchronous_commit', 'local', true)
      ${concat} pg_catalog.pg_logical_emit_message(true, 'holdfast', '')::pg_catalog.text END
  END
FROM tried`,
  };
}

/** Waits until whatever was written before it has been flushed, here and where standbys have to confirm. */
export const commitToken: Statement = {
  name: 'holdfast_commit',
  text: `SELECT pg_catalog.set_config('synchronous_commit', $1, true), pg_catalog.pg_logical_emit_message(true, 'holdfast', '')`,
};

/**
 * Takes permits: tries the slots in their order until there are enough, or too many were taken; what it took in vain it
 * gives back. Answers the slots taken, or null; and whether it held some for a moment, which others may have run into.
 */
export const takePermits: Statement = {
  name: 'holdfast_permits',
  text: `
SELECT i, CASE WHEN announcement IS NULL OR pg_catalog.pg_try_advisory_lock_shared(announcement) THEN (
  WITH RECURSIVE try(n, got, failed, was_free) AS (
    SELECT 0, 0, 0, false
    UNION ALL
    SELECT n ${plus} 1, got ${plus} ok::pg_catalog.int4, failed ${plus} (NOT ok)::pg_catalog.int4, ok
    FROM try, LATERAL (SELECT pg_catalog.pg_try_advisory_lock(base ${plus} slots[n ${plus} 1]) AS ok OFFSET 0) AS one
    WHERE got ${lt} want AND failed ${le} (pg_catalog.cardinality(slots) ${minus} want) AND n ${lt} pg_catalog.cardinality(slots)
  ), last AS MATERIALIZED (
    SELECT pg_catalog.max(got) AS got, pg_catalog.array_agg(slots[n] ORDER BY n) FILTER (WHERE was_free) AS taken FROM try)
  SELECT CASE WHEN got ${eq} want THEN pg_catalog.array_to_string(taken, ',')
    WHEN got ${eq} 0 THEN 'busy'
    ELSE (SELECT 'tried' FROM (
      SELECT pg_catalog.count(pg_catalog.pg_advisory_unlock(base ${plus} slot)) FROM pg_catalog.unnest(taken) AS slot OFFSET 0) AS undone) END
  FROM last) ELSE 'not announced' END, pg_catalog.pg_backend_pid()
FROM (SELECT i, base, want, slots::pg_catalog.int8[] AS slots, announcement
  FROM ${rowsFrom(['int8', 'int4', 'text', 'int8'])} AS request(base, want, slots, announcement, i) OFFSET 0) AS r`,
};

/**
 * Unlocks keys in their order. Behind an unlock that frees something, looks whether anybody has announced to wait, and
 * then notifies: the order is what a waiter relies on, who announces before it tries.
 */
export const unlock: Statement = {
  name: 'holdfast_unlock',
  text: `
SELECT i, CASE WHEN CASE WHEN mode ${eq} 's' THEN pg_catalog.pg_advisory_unlock_shared(key)
    WHEN mode ${eq} 'x' THEN pg_catalog.pg_advisory_unlock(key) ELSE true END THEN
    CASE WHEN announcement IS NULL THEN 1
    WHEN pg_catalog.pg_try_advisory_lock(announcement) THEN CASE WHEN pg_catalog.pg_advisory_unlock(announcement) THEN 1 END
    ELSE (SELECT 1 FROM pg_catalog.pg_notify(channel, payload)) END
  ELSE 0 END, pg_catalog.pg_backend_pid()
FROM ${rowsFrom(['text', 'int8', 'int8', 'text', 'text'])} AS request(mode, key, announcement, channel, payload, i)`,
};

const MINE = `locktype ${eq} 'advisory' AND objsubid ${eq} 1 AND granted AND pid ${eq} pg_catalog.pg_backend_pid()`;

/** Of this server process: which it is, whether it is a standby's, and the sums of the keys that it holds. */
export const heartbeat: Statement = {
  name: 'holdfast_heartbeat',
  text: `
SELECT pg_catalog.pg_backend_pid(), pg_catalog.pg_is_in_recovery(), pg_catalog.count(*),
  coalesce(pg_catalog.sum(weight ${times} classid::pg_catalog.int8), 0), coalesce(pg_catalog.sum(weight ${times} objid::pg_catalog.int8), 0)
FROM (SELECT classid, objid, CASE WHEN mode ${eq} 'ExclusiveLock' THEN 1 ELSE 2 END AS weight FROM pg_catalog.pg_locks WHERE ${MINE}) AS mine`,
};

/** The keys themselves, when the sums differ. */
export const listKeys: Statement = {
  text: `SELECT classid::pg_catalog.int8, objid::pg_catalog.int8, mode FROM pg_catalog.pg_locks WHERE ${MINE}`,
};

/** Who holds keys from $1 to $2, from $3 to $4, and who holds the key $5: server process, key, mode. */
export const findHolders: Statement = {
  name: 'holdfast_holders',
  text: `
SELECT pid, key, mode FROM (
  SELECT pid, (classid::pg_catalog.int8 ${shiftLeft} 32) ${bitOr} objid::pg_catalog.int8 AS key, mode FROM pg_catalog.pg_locks
  WHERE locktype ${eq} 'advisory' AND objsubid ${eq} 1 AND granted
    AND database ${eq} (SELECT oid FROM pg_catalog.pg_database WHERE datname ${eq} pg_catalog.current_database()) OFFSET 0) AS held
WHERE (key ${ge} $1::pg_catalog.int8 AND key ${le} $2::pg_catalog.int8) OR (key ${ge} $3::pg_catalog.int8 AND key ${le} $4::pg_catalog.int8)
  OR key ${eq} $5::pg_catalog.int8`,
};

export const notify: Statement = { text: 'SELECT pg_catalog.pg_notify($1, $2)' };

/** A key out of the two halves by which pg_locks shows it. */
export function keyOfHalves(high: string | null | undefined, low: string | null | undefined): bigint {
  return BigInt.asIntN(64, (BigInt(high ?? 0) << 32n) | BigInt(low ?? 0));
}

/** Values as an array literal of PostgreSQL. They are digits, letters and underscores, so nothing has to be quoted. */
export function arrayOf(values: readonly (string | bigint | number | null)[]): string {
  return `{${values.map((value) => (value === null ? 'NULL' : String(value))).join(',')}}`;
}

/** A row's number, which begins at 1, as an index. */
export function indexOf(row: Row): number {
  return Number(row[0]) - 1;
}
