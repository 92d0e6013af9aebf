import { join } from 'node:path';
import { greetPostgres } from './ask-postgres.js';
import { POSTGRES_PASSWORD, POSTGRES_USER } from './postgres.js';
import type { ServerHandle } from './server-handle.js';
import { buildInPlace } from './server-place.js';
import type { LaunchPlan, ServerSpec } from './server-spec.js';

export interface PgBouncerOptions {
  /** The port of the PostgreSQL behind it, on 127.0.0.1. */
  readonly serverPort: number;
  readonly mode: 'session' | 'transaction';
  /** Server connections for one user and database. @default 4 */
  readonly poolSize?: number | undefined;
  /** What a pooler by the session asks a server connection that a client has left. '' is nothing. @default 'DISCARD ALL' */
  readonly resetQuery?: string | undefined;
}

/** A PgBouncer in front of a PostgreSQL of these tests. */
export interface PgBouncer extends ServerHandle {
  readonly host: string;
  readonly port: number;
  readonly url: string;
}

export const pgBouncerSpec: ServerSpec = {
  title: 'PgBouncer',
  binary: 'pgbouncer',
  // Its pooling mode is what is tested.
  addressVariable: null,
  imageVariable: 'HOLDFAST_TEST_PGBOUNCER_IMAGE',
  // In a container it would not reach a PostgreSQL on this machine's loopback.
  image: null,
  imagePort: 6432,
  debianPackage: 'pgbouncer',
  users: ['postgres', 'nobody'],
};

/** Starts a PgBouncer. */
export async function startPgBouncer(options: PgBouncerOptions): Promise<PgBouncer> {
  return buildInPlace(pgBouncerSpec, { count: 1 }, async (place) => {
    const [port = 0] = place.ports;
    const ini = {
      listen_addr: place.bindAddress,
      listen_port: port,
      unix_socket_dir: '',
      auth_type: 'any',
      pool_mode: options.mode,
      default_pool_size: options.poolSize ?? 4,
      max_client_conn: 100,
      // What drivers send at the start, and a pooler refuses unless it is asked to look away.
      ignore_startup_parameters: 'extra_float_digits',
      server_reset_query: options.resetQuery ?? 'DISCARD ALL',
    };
    const server = `host=127.0.0.1 port=${options.serverPort} user=${POSTGRES_USER} password=${POSTGRES_PASSWORD}`;
    const lines = [
      '[databases]',
      `postgres = ${server}`,
      '[pgbouncer]',
      ...Object.entries(ini).map(([name, value]) => `${name} = ${value}`),
    ];
    const plan: LaunchPlan = {
      files: { 'pgbouncer.ini': `${lines.join('\n')}\n` },
      args: (directory) => [join(directory, 'pgbouncer.ini')],
      ports: [port],
      isReady: async () => (await greetPostgres(port, POSTGRES_USER, 'postgres')) === 'ready',
    };
    const url = `postgres://${POSTGRES_USER}:any@127.0.0.1:${port}/postgres`;
    return Object.assign(await place.start(plan), { host: '127.0.0.1', port, url });
  });
}
