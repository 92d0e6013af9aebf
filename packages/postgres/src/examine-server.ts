import type { Clock, Finding } from '@holdfast/core';
import { clockLook, fine, harmful, type Look } from '@holdfast/core/backend';
import type { Queryable } from './connection.js';

const SETTINGS = [
  'server_version',
  'server_version_num',
  'synchronous_standby_names',
  'synchronous_commit',
  'fsync',
  'max_connections',
  'idle_session_timeout',
  'client_connection_check_interval',
  'tcp_user_timeout',
] as const;

const LOOK = {
  text: `SELECT ${SETTINGS.map((name) => `pg_catalog.current_setting('${name}', true) AS ${name}`).join(', ')},
    pg_catalog.pg_is_in_recovery()::pg_catalog.text AS in_recovery, pg_catalog.pg_backend_pid()::pg_catalog.text AS pid,
    (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()))::pg_catalog.text AS epoch,
    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication)::pg_catalog.text AS standbys,
    (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity)::pg_catalog.text AS sessions`,
} as const;

/** What an operator should know of a PostgreSQL server. Reads only. @param holdsSessions whether locks are of a session (`advisory`) */
export async function examineServer(connection: Queryable, clock: Clock, holdsSessions: boolean): Promise<readonly Finding[]> {
  const before = clock.wall();
  const [row = []] = await connection.query(LOOK);
  const now = (before + clock.wall()) / 2;
  const value = (name: (typeof SETTINGS)[number]): string | null => row[SETTINGS.indexOf(name)] ?? null;
  const [inRecovery, pid, epoch, standbys, sessions] = row.slice(SETTINGS.length);
  const looks: readonly Look[] = [
    version(value('server_version'), Number(value('server_version_num'))),
    role(inRecovery),
    durability(value('fsync'), value('synchronous_commit')),
    replication(Number(standbys), value('synchronous_standby_names')),
    room(Number(sessions), Number(value('max_connections'))),
    ...(holdsSessions
      ? [
          pooler(connection.processId, Number(pid)),
          idle(value('idle_session_timeout')),
          detection(value('client_connection_check_interval')),
        ]
      : []),
    clockLook(
      Number(epoch) * 1_000 - now,
      'let both machines set their clocks by NTP: leases expire by the clock of the server, but tokens of several stores begin at it',
    ),
  ];
  return looks.map((look) => ({ server: 'postgres', ...look }));
}

function version(found: string | null, number: number): Look {
  const about = 'version';
  if (found === null) return { about, status: 'unseen', found: 'not reported' };
  return number >= 130_000 ? fine(about, `PostgreSQL ${found}`) : harmful(about, `PostgreSQL ${found}`, 'use PostgreSQL 13 or later');
}

function role(inRecovery: string | null | undefined): Look {
  const about = 'role';
  if (inRecovery === 'false') return fine(about, 'primary');
  return harmful(about, 'standby', 'connect to the primary: a standby takes no locks that others see');
}

function durability(fsync: string | null, commit: string | null): Look {
  const about = 'durability';
  const found = `fsync ${fsync}, synchronous_commit ${commit}`;
  if (fsync === 'off') return harmful(about, found, 'set fsync on: after a crash fencing tokens may repeat');
  return fine(about, commit === 'off' ? `${found}; commits of tokens are made with it on` : found);
}

function replication(standbys: number, synchronous: string | null): Look {
  const about = 'standbys';
  if (standbys === 0) return fine(about, 'none, as far as this role may see');
  if (synchronous !== null && synchronous !== '') return fine(about, `${standbys}, synchronous: ${synchronous}`);
  const advice = 'set synchronous_standby_names: a fail-over may forget the last fencing tokens, and the last leases in a table';
  return harmful(about, `${standbys}, none synchronous`, advice);
}

function room(sessions: number, most: number): Look {
  const about = 'max_connections';
  const found = `${sessions} of ${most} in use`;
  if (sessions < most * 0.8) return fine(about, found);
  return harmful(about, found, 'raise max_connections, or make pools smaller: a manager needs up to 5, and one that gets none cannot lock');
}

function pooler(told: number | null, real: number): Look {
  const about = 'pooler';
  if (told === null || told === real) return fine(about, 'none between here and the server');
  const advice = "connect to the server itself, or say pooler: 'session' if it is one in session mode, or use strategy: 'table'";
  return harmful(about, 'a pooler answers in place of the server', advice);
}

function idle(timeout: string | null): Look {
  const about = 'idle_session_timeout';
  if (timeout === null) return fine(about, 'this version has none');
  return fine(about, timeout === '0' ? 'off' : `${timeout}; sessions that hold locks set it to 0`);
}

function detection(interval: string | null): Look {
  const about = 'client_connection_check_interval';
  if (interval !== null) return fine(about, `${interval}; sessions that hold locks set their own`);
  const advice = 'use PostgreSQL 14 or later: a statement of a client that is gone runs on, and keeps its locks';
  return harmful(about, 'this version has none', advice);
}
