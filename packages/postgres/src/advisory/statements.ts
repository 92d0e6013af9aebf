import type { Row, Statement } from '../connection.js';

/**
 * The statements of the advisory strategy. None of them ever waits for a lock: one that waited would keep every release
 * of the session behind it. What must happen in an order is nested in CASE, the only construct whose order is fixed.
 */

/** How the session is to be: rule 2 of the design. What a server does not know is left out. */
const SETTINGS = `
  SELECT s.name, s.value FROM (VALUES
    ('statement_timeout', '0'), ('lock_timeout', '0'), ('idle_session_timeout', $4),
    ('idle_in_transaction_session_timeout', '0'), ('transaction_timeout', '0'), ('synchronous_commit', 'off'),
    ('default_transaction_read_only', 'off'), ('client_min_messages', 'error'), ('client_connection_check_interval', '1000'),
    ('tcp_keepalives_idle', $1), ('tcp_keepalives_interval', $2), ('tcp_keepalives_count', '3'), ('tcp_user_timeout', $3)
  ) AS s(name, value) JOIN pg_settings USING (name)
  -- Elsewhere a server may refuse it.
  WHERE name <> 'client_connection_check_interval' OR version() ~ 'linux'`;

/** Reads what the session was, then makes it what it has to be. */
export const beginSession: Statement = {
  text: `
WITH before AS MATERIALIZED (SELECT current_setting('synchronous_commit') AS durable, current_setting('server_version_num') AS version),
  changed AS MATERIALIZED (SELECT set_config(name, value, false) FROM before, (${SETTINGS}) AS wanted)
SELECT pg_backend_pid(), pg_is_in_recovery(), before.durable, before.version, (SELECT count(*) FROM changed),
  (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())::text
FROM before`,
};

/** Ends a session that was given up and may still hold keys on the server, if it is that very one. */
export const endPredecessor: Statement = {
  text: 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1::int AND backend_start = $2::timestamptz',
};

/** What became of one request. */
const BUSY = -1;
/** Somebody was just looking whether anybody waits: ask again at once. */
export const NOT_ANNOUNCED = -2;
/** Busy, and the gate was not to be had. */
export const NO_GATE = -3;
/** Busy, and the gate is ours. */
export const GATE_TAKEN = -4;

/**
 * Takes locks. For each: op x (exclusive or write; with a gate it takes that when busy), r (read) or g (the gate alone), the key, the gate, the key
 * that counts a further reader of this session, and the announcement to make first. null: not needed.
 *
 * A token is drawn under the lock, and must be flushed before it is shown, or it is drawn again after a crash. A sequence
 * writes to the log for 32 values ahead, and a commit that has written nothing itself waits for nothing: so where the log
 * is not flushed to its end, or a standby has to confirm, the transaction writes a message of its own.
 */
export function takeLocks(sequence: string): Statement {
  const draw = `nextval('${sequence}'::regclass)`;
  return {
    name: 'holdfast_take',
    text: `
WITH tried AS MATERIALIZED (
  SELECT i, CASE WHEN announcement IS NULL OR pg_try_advisory_lock_shared(announcement) THEN
    CASE op
    WHEN 'r' THEN
      CASE WHEN pg_try_advisory_lock_shared(gate) THEN
        CASE WHEN key IS NULL OR pg_try_advisory_lock_shared(key) THEN
          CASE WHEN pg_advisory_unlock_shared(gate) THEN
            CASE WHEN counter IS NULL OR pg_try_advisory_lock_shared(counter) THEN ${draw} END
          END
        ELSE CASE WHEN pg_advisory_unlock_shared(gate) THEN ${BUSY} END END
      ELSE ${BUSY} END
    WHEN 'g' THEN CASE WHEN pg_try_advisory_lock(gate) THEN ${GATE_TAKEN} ELSE ${NO_GATE} END
    ELSE
      CASE WHEN key IS NULL OR pg_try_advisory_lock(key) THEN ${draw}
      WHEN gate IS NULL THEN ${BUSY}
      WHEN pg_try_advisory_lock(gate) THEN ${GATE_TAKEN}
      ELSE ${NO_GATE} END
    END
  ELSE ${NOT_ANNOUNCED} END AS result
  FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
    WITH ORDINALITY AS request(op, key, gate, counter, announcement, i)
)
SELECT i, result, pg_backend_pid(),
  CASE WHEN result > 0 THEN
    CASE WHEN current_setting('synchronous_standby_names') <> '' OR pg_current_wal_flush_lsn() < pg_current_wal_insert_lsn()
    THEN set_config('synchronous_commit', $6, true) || pg_logical_emit_message(true, 'holdfast', '')::text END
  END
FROM tried`,
  };
}

/**
 * Takes permits: tries the slots in their order until there are enough, or too many were taken; what it took in vain it
 * gives back. Answers the slots taken, or null; and whether it held some for a moment, which others may have run into.
 */
export const takePermits: Statement = {
  name: 'holdfast_permits',
  text: `
SELECT i, CASE WHEN announcement IS NULL OR pg_try_advisory_lock_shared(announcement) THEN (
  WITH RECURSIVE try(n, got, failed, taken) AS (
    SELECT 0, 0, 0, '{}'::bigint[]
    UNION ALL
    SELECT n + 1, got + ok::int, failed + (NOT ok)::int, CASE WHEN ok THEN taken || slots[n + 1] ELSE taken END
    FROM try, LATERAL (SELECT pg_try_advisory_lock(base + slots[n + 1]) AS ok OFFSET 0) AS one
    WHERE got < want AND failed <= cardinality(slots) - want AND n < cardinality(slots)
  ), last AS MATERIALIZED (SELECT got, taken FROM try ORDER BY n DESC LIMIT 1)
  SELECT CASE WHEN got = want THEN array_to_string(taken, ',')
    WHEN got = 0 THEN 'busy'
    ELSE (SELECT 'tried' FROM (SELECT count(pg_advisory_unlock(base + slot)) FROM unnest(taken) AS slot OFFSET 0) AS undone) END
  FROM last) ELSE 'not announced' END, pg_backend_pid()
FROM (SELECT i, base, want, slots::bigint[] AS slots, announcement
  FROM unnest($1::bigint[], $2::int[], $3::text[], $4::bigint[]) WITH ORDINALITY AS request(base, want, slots, announcement, i) OFFSET 0) AS r`,
};

/**
 * Unlocks keys in their order. Behind an unlock that frees something, looks whether anybody has announced to wait, and
 * then notifies: the order is what a waiter relies on, who announces before it tries.
 */
export const unlock: Statement = {
  name: 'holdfast_unlock',
  text: `
SELECT i, CASE WHEN CASE mode WHEN 's' THEN pg_advisory_unlock_shared(key) WHEN 'x' THEN pg_advisory_unlock(key) ELSE true END THEN
    CASE WHEN announcement IS NULL THEN 1
    WHEN pg_try_advisory_lock(announcement) THEN CASE WHEN pg_advisory_unlock(announcement) THEN 1 END
    ELSE (SELECT 1 FROM pg_notify(channel, payload)) END
  ELSE 0 END, pg_backend_pid()
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[], $5::text[])
  WITH ORDINALITY AS request(mode, key, announcement, channel, payload, i)`,
};

/** Of this server process: which it is, whether it is a standby's, and the sums of the keys that it holds. */
export const heartbeat: Statement = {
  name: 'holdfast_heartbeat',
  text: `
SELECT pg_backend_pid(), pg_is_in_recovery(), count(*), coalesce(sum(weight * classid::bigint), 0), coalesce(sum(weight * objid::bigint), 0)
FROM (SELECT classid, objid, CASE mode WHEN 'ExclusiveLock' THEN 1 ELSE 2 END AS weight FROM pg_locks
  WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND pid = pg_backend_pid()) AS mine`,
};

/** The keys themselves, when the sums differ. */
export const listKeys: Statement = {
  text: `SELECT classid::bigint, objid::bigint, mode FROM pg_locks
    WHERE locktype = 'advisory' AND objsubid = 1 AND granted AND pid = pg_backend_pid()`,
};

/** Who holds keys from $1 to $2, and who holds the key $3: server process, key, mode. */
export const findHolders: Statement = {
  name: 'holdfast_holders',
  text: `
SELECT pid, key, mode FROM (
  SELECT pid, (classid::bigint << 32) | objid::bigint AS key, mode FROM pg_locks
  WHERE locktype = 'advisory' AND objsubid = 1 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) OFFSET 0) AS held
WHERE key BETWEEN $1::bigint AND $2::bigint OR key BETWEEN $3::bigint AND $4::bigint OR key = $5::bigint`,
};

export const notify: Statement = { text: 'SELECT pg_notify($1, $2)' };

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
