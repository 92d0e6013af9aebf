import { type ServerHandle, startPostgres } from '@holdfast/test/servers';
import { Client } from 'pg';
import type { Register, Store } from '../store.js';
import { pidsOf } from './pids-of.js';

/** Of 200 clients of two libraries, or 64 processes with several. */
const MOST_CONNECTIONS = 1_500;

/** One connection, as every library and the floor open theirs. */
export async function connectPostgres(address: string): Promise<Client> {
  const client = new Client({ connectionString: address });
  // A lost connection shows as failing statements.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Opens the shared counter on a connection of its own. */
export async function openPostgresRegister(address: string): Promise<Register> {
  return registerOn(await connectPostgres(address));
}

/** The PostgreSQL that HOLDFAST_TEST_POSTGRES_URL names; else one that is started for this run and ends with it. */
export async function startPostgresStore(): Promise<Store> {
  const given = process.env['HOLDFAST_TEST_POSTGRES_URL'];
  if (given !== undefined && given !== '') return openPostgresStore(given);
  const server = await startPostgres({ config: { max_connections: MOST_CONNECTIONS } });
  try {
    return await openPostgresStore(server.url, server);
  } catch (error) {
    await server.close();
    throw error;
  }
}

async function openPostgresStore(address: string, started?: ServerHandle): Promise<Store> {
  const own = await connectPostgres(address);
  const { rows } = await own.query<{ server_version: string }>('SHOW server_version');
  await own.query('CREATE TABLE IF NOT EXISTS holdfast_bench_register (name text PRIMARY KEY, value bigint NOT NULL)');
  return {
    backend: 'postgres',
    address,
    title: `PostgreSQL ${rows[0]?.server_version ?? 'unknown'} at ${own.host}:${own.port}`,
    pids: pidsOf(started),
    register: registerOn(own),
    observer: null,
    async close() {
      await own.query('DROP TABLE IF EXISTS holdfast_bench_register');
      await own.end();
      await started?.close();
    },
  };
}

function registerOn(client: Client): Register {
  const upsert = 'INSERT INTO holdfast_bench_register AS r (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value =';
  return {
    async read(name) {
      const { rows } = await client.query<{ value: string }>('SELECT value FROM holdfast_bench_register WHERE name = $1', [name]);
      return Number(rows[0]?.value ?? 0);
    },
    async write(name, value) {
      await client.query(`${upsert} excluded.value`, [name, value]);
    },
    async ticket(name) {
      const { rows } = await client.query<{ value: string }>(`${upsert} r.value + 1 RETURNING value`, [`${name}:ticket`, 1]);
      return Number(rows[0]?.value);
    },
    close: () => client.end(),
  };
}
