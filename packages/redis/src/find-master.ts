import { ConnectionFault } from '@holdfast/core/backend';
import { saysWhy } from './redis-error.js';
import type { RedisAddress, RedisPort } from './redis-port.js';

/** How a driver that knows nothing of sentinels reaches them, and the servers. */
export interface MasterSearch {
  readonly sentinels: readonly RedisAddress[];
  /** The name under which sentinels know the master. */
  readonly masterName: string;
  /** Opens a connection to a sentinel, which has a password of its own. */
  readonly openSentinel: (address: RedisAddress) => RedisPort;
  /** Opens a connection to a server. */
  readonly openServer: (address: RedisAddress) => RedisPort;
}

/**
 * Asks the sentinels one after another where the master is, and connects to the server that they name. A server that says that it is no master
 * is not used: a sentinel may not have heard yet of a fail-over.
 *
 * @throws the last reason that a sentinel or a server gave
 */
export async function findMaster({ sentinels, masterName, openSentinel, openServer }: MasterSearch): Promise<RedisPort> {
  let why: unknown;
  for (const sentinel of sentinels) {
    try {
      // oxlint-disable-next-line no-await-in-loop
      const address = await withPort(openSentinel(sentinel), (port) => addressOf(port, masterName));
      // oxlint-disable-next-line no-await-in-loop
      if (address !== null) return await masterAt(openServer(address));
    } catch (error) {
      if (!saysWhy(why)) why = error;
    }
  }
  throw saysWhy(why) ? why : new Error('no sentinel named a master');
}

async function addressOf(sentinel: RedisPort, masterName: string): Promise<RedisAddress | null> {
  const reply = await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', masterName);
  if (!Array.isArray(reply)) return null;
  const [host, port] = reply as readonly unknown[];
  return typeof host === 'string' && Number.isInteger(Number(port)) ? { host, port: Number(port) } : null;
}

/** Closed whatever comes of it. */
async function withPort<T>(port: RedisPort, ask: (port: RedisPort) => Promise<T>): Promise<T> {
  try {
    await port.ready();
    return await ask(port);
  } finally {
    port.end();
  }
}

async function masterAt(server: RedisPort): Promise<RedisPort> {
  try {
    await server.ready();
    const info = await server.call('INFO', 'replication').catch(() => null);
    // Where the user may not ask, the sentinel's word is taken: a replica refuses what is written.
    if (typeof info === 'string' && !/^role:master/m.test(info)) throw new ConnectionFault('closed');
    return server;
  } catch (error) {
    server.end();
    throw error;
  }
}
