import { once } from 'node:events';
import { promisify } from 'node:util';
import { startZooKeeper } from '@holdfast/test/servers';
import zookeeper, { type Client } from 'node-zookeeper-client';
import type { Register, Store } from '../store.js';
import { pidsOf } from './pids-of.js';

const ROOT = '/holdfast-bench';

/** One session, as the floor has it. */
export async function connectZooKeeper(address: string): Promise<Client> {
  const client = zookeeper.createClient(address.replace(/^zookeeper:\/\//, ''), { sessionTimeout: 20_000 });
  const connected = once(client, 'connected');
  client.connect();
  await connected;
  return client;
}

/** Makes a node and those above it. */
export function makePath(client: Client, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    client.mkdirp(path, (error) => (error === null ? resolve() : reject(error)));
  });
}

/** Opens the shared counter on a session of its own. */
export async function openZooKeeperRegister(address: string): Promise<Register> {
  return registerOn(await connectZooKeeper(address));
}

/** The ZooKeeper that HOLDFAST_TEST_ZOOKEEPER_URL names; else one that is started for this run and ends with it. */
export async function startZooKeeperStore(): Promise<Store> {
  const given = process.env['HOLDFAST_TEST_ZOOKEEPER_URL'];
  const server = given === undefined || given === '' ? await startZooKeeper({ config: { tickTime: 2_000 } }) : null;
  const address = server?.url ?? given ?? '';
  try {
    const register = await openZooKeeperRegister(address);
    return {
      backend: 'zookeeper',
      address,
      title: `ZooKeeper at ${address.replace(/^zookeeper:\/\//, '')}`,
      pids: pidsOf(server),
      register,
      observer: null,
      async close() {
        await register.close();
        await server?.close();
      },
    };
  } catch (error) {
    await server?.close();
    throw error;
  }
}

function registerOn(client: Client): Register {
  const get = promisify(client.getData).bind(client);
  const set = promisify(client.setData).bind(client);
  const create = promisify(client.create).bind(client);
  const made = new Set<string>();
  const pathOf = async (name: string): Promise<string> => {
    const path = `${ROOT}/${encodeURIComponent(name)}`;
    if (!made.has(path)) await makePath(client, path);
    made.add(path);
    return path;
  };
  return {
    read: async (name) => Number((await get(await pathOf(name)))?.toString() ?? 0),
    write: async (name, value) => {
      await set(await pathOf(name), Buffer.from(String(value)), -1);
    },
    // Sequence numbers begin with 0.
    ticket: async (name) => Number((await create(`${await pathOf(name)}/t-`, zookeeper.CreateMode.EPHEMERAL_SEQUENTIAL)).slice(-10)) + 1,
    close: async () => client.close(),
  };
}
