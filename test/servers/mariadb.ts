import { connect } from 'node:net';
import { join } from 'node:path';
import { AddressServer } from './address-server.js';
import { findProgram } from './find-program.js';
import { findAddress } from './find-source.js';
import type { ServerHandle } from './server-handle.js';
import { buildInPlace, type ServerPlace } from './server-place.js';
import type { LaunchPlan, PreparingCommand, ServerSpec } from './server-spec.js';

/** One MariaDB that answers on 127.0.0.1. */
export interface MariaDbServer extends ServerHandle {
  readonly host: string;
  readonly port: number;
  /** `mysql://holdfast:password@127.0.0.1:port/holdfast`, with every right. */
  readonly url: string;
}

export const mariaDbSpec: ServerSpec = {
  title: 'MariaDB',
  binary: 'mariadbd',
  addressVariable: 'HOLDFAST_TEST_MYSQL_URL',
  imageVariable: 'HOLDFAST_TEST_MARIADB_IMAGE',
  image: 'mariadb:11',
  imagePort: 3306,
  debianPackage: 'mariadb-server',
  directories: ['/usr/sbin', '/usr/local/sbin', '/opt/homebrew/opt/mariadb/bin'],
  users: ['mysql', 'nobody'],
};

const USER = 'holdfast';
const PASSWORD = 'holdfast-test';
const DATABASE = 'holdfast';
const DATA = 'data';
const INIT = 'init.sql';
const INIT_SQL = [
  `create database if not exists ${DATABASE};`,
  `create or replace user '${USER}'@'%' identified by '${PASSWORD}';`,
  `grant all privileges on *.* to '${USER}'@'%';`,
  '',
].join('\n');

/** Starts a MariaDB of this test's own; or stands in front of the server that HOLDFAST_TEST_MYSQL_URL names. */
export async function startMariaDb(): Promise<MariaDbServer> {
  const address = findAddress(mariaDbSpec);
  if (address) return AddressServer.open(mariaDbSpec, ['mysql', 'mariadb'], address);
  return buildInPlace(mariaDbSpec, { count: 1 }, startMariaDbIn);
}

async function startMariaDbIn(place: ServerPlace): Promise<MariaDbServer> {
  const [port] = place.ports;
  if (port === undefined) throw new RangeError('this place has no port');
  const settings = [`--port=${port}`, `--bind-address=${place.bindAddress}`, '--skip-name-resolve', '--innodb-flush-log-at-trx-commit=0'];
  const plan: LaunchPlan = {
    files: { [INIT]: INIT_SQL },
    args: (directory) => [
      '--no-defaults',
      `--datadir=${join(directory, DATA)}`,
      `--socket=${join(directory, 'socket')}`,
      `--pid-file=${join(directory, 'pid')}`,
      `--init-file=${join(directory, INIT)}`,
      ...settings,
    ],
    prepare: async (directory) => [await initialise(directory)],
    container: {
      command: settings,
      environment: { MARIADB_ROOT_PASSWORD: PASSWORD, MARIADB_USER: USER, MARIADB_PASSWORD: PASSWORD, MARIADB_DATABASE: DATABASE },
    },
    ports: [port],
    isReady: () => greets(port),
  };
  const server = await place.start(plan);
  return Object.assign(server, { host: '127.0.0.1', port, url: `mysql://${USER}:${PASSWORD}@127.0.0.1:${port}/${DATABASE}` });
}

async function initialise(directory: string): Promise<PreparingCommand> {
  const program = await findProgram('mariadb-install-db', mariaDbSpec.directories);
  if (program === null) throw new Error('mariadb-install-db is not on this machine, though mariadbd is');
  return {
    program,
    args: ['--no-defaults', `--datadir=${join(directory, DATA)}`, '--auth-root-authentication-method=normal', '--skip-test-db'],
  };
}

/** Whether it begins to speak: its first packet says version 10 of the protocol; one that is full or not ready says an error. */
function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const end = (isReady: boolean): void => {
      socket.destroy();
      resolve(isReady);
    };
    socket.once('data', (packet) => end(packet[4] === 10));
    socket.once('error', () => end(false));
    socket.once('close', () => end(false));
    socket.setTimeout(1_000, () => end(false));
  });
}
