import { type PostgresServer, startPgBouncer, startPostgres, startTcpProxy } from '@holdfast/test/servers';
import pg from 'pg';
import { blow, type Fault, type OpenGround, serverFaults, wireFaults } from './fault.js';
import { closeAll } from './redis-grounds.js';

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
    faults: [...wireFaults([wire]), ...serverFaults(server, ENDS_SESSIONS), terminateSessions(server)],
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
    faults: [...wireFaults([wire]), ...serverFaults(bouncer, ENDS_SESSIONS, 'PgBouncer: ')],
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

function terminateSessions(server: PostgresServer): Fault {
  return blow('sessions terminated by an administrator', true, async () => {
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    await client.query('select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = $1', [
      'client backend',
    ]);
    await client.end();
  });
}
