import { type PostgresServer, startPgBouncer, startPostgres, startPostgresWithStandby, startTcpProxy } from '@holdfast/test/servers';
import pg from 'pg';
import { blow, type Fault, type OpenGround, serverFaults, wireFaults } from './fault.js';
import { FailOverAddress } from './fail-over-address.js';
import { closeAll } from './redis-grounds.js';
import { clockFaults, compileServerClock } from './server-clock.js';

const KEEPS = { title: 'with its data', forgets: false };
/** Its sessions end with the server, and the locks of a session with the session. */
const ENDS_SESSIONS = { title: '(its sessions end)', forgets: true };

async function startServer(): Promise<PostgresServer> {
  // One transaction after another is on its way to the file before it is answered; a process that is killed takes none with it.
  return startPostgres({ config: { max_connections: 60 } });
}

/** Advisory locks, held by sessions. */
export const postgresAdvisory: OpenGround = async () => {
  const server = await startServer();
  const wire = await startTcpProxy({ target: server.port });
  return {
    store: { kind: 'postgres', url: wire.urlFor(server.url), strategy: 'advisory', pooler: 'none' },
    faults: [...wireFaults([wire], { endsSessions: true }), ...serverFaults(server, ENDS_SESSIONS), terminateSessions(server)],
    close: closeAll(wire, server),
  };
};

/** The same behind a PgBouncer that gives a client one session for as long as it is connected. */
export const postgresPgBouncer: OpenGround = async () => {
  const server = await startServer();
  const bouncer = await startPgBouncer({ serverPort: server.port, mode: 'session', poolSize: 40 });
  const wire = await startTcpProxy({ target: bouncer.port });
  return {
    store: { kind: 'postgres', url: wire.urlFor(bouncer.url), strategy: 'advisory', pooler: 'session' },
    faults: [...wireFaults([wire], { endsSessions: true }), ...serverFaults(bouncer, ENDS_SESSIONS, 'PgBouncer: ')],
    close: closeAll(wire, bouncer, server),
  };
};

/** Leases in rows. */
export const postgresTable: OpenGround = async () => {
  const server = await startServer();
  const wire = await startTcpProxy({ target: server.port });
  return {
    store: { kind: 'postgres', url: wire.urlFor(server.url), strategy: 'table', pooler: 'none' },
    faults: [...wireFaults([wire]), ...serverFaults(server, KEEPS)],
    close: closeAll(wire, server),
  };
};

/** Leases in rows, of a server whose wall clock is set. */
export const postgresClock: OpenGround = async () => {
  const clock = await compileServerClock();
  const server = await startPostgres({ config: { max_connections: 60 }, environment: clock.environment });
  const timeOf = async (): Promise<number> => {
    const rows = await ask<{ readonly ms: number }>(server.url, 'select extract(epoch from clock_timestamp())::float8 * 1000 as ms');
    return rows[0]?.ms ?? NaN;
  };
  return {
    store: { kind: 'postgres', url: server.url, strategy: 'table', pooler: 'none' },
    faults: clockFaults(clock, timeOf),
    close: closeAll(server, clock),
  };
};

/**
 * A primary and a standby that confirms each commit: it takes over when the primary is killed, and gets a standby of its own. It has the rows of all
 * leases, and the locks of no session.
 */
export const postgresStandby =
  (strategy: 'advisory' | 'table'): OpenGround =>
  async () => {
    const pair = await startPostgresWithStandby({ config: { max_connections: 60, synchronous_standby_names: '*' } });
    const address = await FailOverAddress.open(pair.primary.port);
    const failOver = blow(
      'primary killed, standby takes over',
      strategy === 'advisory',
      async () => {
        const { primary, standby } = pair;
        await primary.kill();
        await ask(standby.url, 'select pg_promote()');
        address.lead(standby.port);
      },
      () => pair.replaceStandby(),
    );
    return {
      store: { kind: 'postgres', url: address.urlFor(pair.primary.url), strategy, pooler: 'none' },
      faults: [failOver],
      close: closeAll(address, pair),
    };
  };

async function ask<R extends pg.QueryResultRow>(connectionString: string, sql: string): Promise<R[]> {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return (await client.query<R>(sql)).rows;
  } finally {
    await client.end();
  }
}

function terminateSessions(server: PostgresServer): Fault {
  return blow('sessions terminated by an administrator', true, async () => {
    await ask(
      server.url,
      `select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'`,
    );
  });
}
