import { dirname, join } from 'node:path';
import { AddressServer } from './address-server.js';
import { greetPostgres } from './ask-postgres.js';
import { findProgram } from './find-program.js';
import { findAddress } from './find-source.js';
import type { ServerHandle } from './server-handle.js';
import { buildInPlace, type ServerPlace } from './server-place.js';
import type { LaunchPlan, PreparingCommand, ServerSpec } from './server-spec.js';

/** Settings of postgresql.conf. */
export type PostgresConfig = Readonly<Record<string, string | number>>;

export interface PostgresOptions {
  /** Settings over the defaults: loopback only, 100 connections, nothing is flushed to the disk. */
  readonly config?: PostgresConfig | undefined;
  /** How clients prove who they are: passwords cost ten milliseconds a connection. @default 'trust' */
  readonly auth?: 'trust' | 'scram-sha-256' | undefined;
  /** Variables of its environment, for a program of this machine. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
}

/** One PostgreSQL that answers on 127.0.0.1. */
export interface PostgresServer extends ServerHandle {
  readonly host: string;
  readonly port: number;
  /** `postgres://postgres:password@127.0.0.1:port/postgres`, a superuser. */
  readonly url: string;
}

/** The superuser of every server that is started here. */
export const POSTGRES_USER = 'postgres';
export const POSTGRES_PASSWORD = 'holdfast-test';

export const postgresSpec: ServerSpec = {
  title: 'PostgreSQL',
  binary: 'postgres',
  addressVariable: 'HOLDFAST_TEST_POSTGRES_URL',
  imageVariable: 'HOLDFAST_TEST_POSTGRES_IMAGE',
  image: 'postgres:17-alpine',
  imagePort: 5432,
  debianPackage: 'postgresql',
  directories: ['/usr/lib/postgresql/*/bin', '/usr/local/pgsql/bin', '/opt/homebrew/opt/postgresql/bin'],
  users: ['postgres', 'nobody'],
  hasChildren: true,
};

const DATA = 'data';
const PASSWORD_FILE = 'password';
/** Tests need no data to survive a power cut, and a flush for each transaction would be most of their time. */
const DEFAULTS: PostgresConfig = {
  unix_socket_directories: '',
  fsync: 'off',
  full_page_writes: 'off',
  max_connections: 100,
  shared_buffers: '16MB',
};

/**
 * Starts a PostgreSQL of this test's own, in about two seconds; or stands in front of the one that HOLDFAST_TEST_POSTGRES_URL names, if no
 * settings of its own are asked for.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresServer> {
  const address = options.config || options.auth || options.environment ? null : findAddress(postgresSpec);
  if (address) return AddressServer.open(postgresSpec, ['postgres', 'postgresql'], address);
  return buildInPlace(postgresSpec, { count: 1 }, (place) => startPostgresIn(place, 0, options));
}

/** Starts one PostgreSQL on the place's port of this index; with `standbyOf` a replica of the one on that port, made from its data. */
export async function startPostgresIn(
  place: ServerPlace,
  index: number,
  options: PostgresOptions & { readonly standbyOf?: number | undefined },
): Promise<PostgresServer> {
  const port = place.ports[index];
  if (port === undefined) throw new RangeError(`this place has no port number ${index}`);
  const config = { port, listen_addresses: place.bindAddress, ...DEFAULTS, ...options.config };
  const settings = Object.entries(config).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const { standbyOf } = options;
  const plan: LaunchPlan = {
    files: { [PASSWORD_FILE]: POSTGRES_PASSWORD },
    environment: options.environment,
    args: (directory) => ['-D', join(directory, DATA), ...settings],
    prepare: async (directory) => [
      standbyOf === undefined ? await initialise(directory, options.auth ?? 'trust') : await copyFrom(standbyOf, directory),
    ],
    container: {
      command:
        standbyOf === undefined ? ['postgres', ...settings] : ['sh', '-c', STANDBY_SCRIPT, 'holdfast', primaryOf(standbyOf), ...settings],
      environment: { POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_HOST_AUTH_METHOD: options.auth ?? 'trust' },
    },
    ports: [port],
    isReady: async () => (await greetPostgres(port, POSTGRES_USER, 'postgres')) === 'ready',
  };
  const server = await place.start(plan);
  const url = `postgres://${POSTGRES_USER}:${POSTGRES_PASSWORD}@127.0.0.1:${port}/postgres`;
  return Object.assign(server, { host: '127.0.0.1', port, url });
}

function primaryOf(port: number): string {
  return `host=127.0.0.1 port=${port} user=${POSTGRES_USER} password=${POSTGRES_PASSWORD}`;
}

/** In a container: what `prepare` does on this machine, as the image's own user. */
const STANDBY_SCRIPT = `
set -e
primary=$1; shift
bin=$(dirname "$(command -v postgres || echo /usr/lib/postgresql/*/bin/postgres)")
[ -d /standby ] || { mkdir -m 700 /standby; chown postgres /standby; su postgres -c "$bin/pg_basebackup -d '$primary' -D /standby -R -X stream"; }
exec su postgres -c "exec $bin/postgres -D /standby $*"
`;

async function initialise(directory: string, auth: string): Promise<PreparingCommand> {
  const password = join(directory, PASSWORD_FILE);
  const args = ['-D', join(directory, DATA), '-U', POSTGRES_USER, '-A', auth, `--pwfile=${password}`];
  return { program: await besides('initdb'), args: [...args, '--no-sync', '-E', 'UTF8', '--locale=C'] };
}

async function copyFrom(port: number, directory: string): Promise<PreparingCommand> {
  const args = ['-d', primaryOf(port), '-D', join(directory, DATA), '-R', '-X', 'stream', '-c', 'fast', '--no-sync'];
  return { program: await besides('pg_basebackup'), args };
}

/** A program that comes with the server. */
async function besides(name: string): Promise<string> {
  const server = await findProgram(postgresSpec.binary, postgresSpec.directories);
  const found = server === null ? null : ((await findProgram(name, postgresSpec.directories)) ?? join(dirname(server), name));
  if (found === null) throw new Error(`${name} is not on this machine, though postgres is`);
  return found;
}
