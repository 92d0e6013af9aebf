import type { ServerHandle } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
import type { ExpiryView, Register, Store } from '../store.js';
import { pidsOf } from './pids-of.js';
import { monitorRedis } from './redis-monitor.js';

/** Long enough for any run; on a server that is not ours nothing must stay behind. */
const leftoverMs = 10 * 60_000;

/** The one way in which every library and the floor connect: ioredis with its defaults. */
export async function connectRedis(address: string): Promise<Redis> {
  const client = new Redis(address, { lazyConnect: true });
  // A lost connection shows as failing commands; without a listener ioredis prints each error besides.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Opens the shared counter on a connection of its own. */
export async function openRedisRegister(address: string): Promise<Register> {
  return registerOn(await connectRedis(address));
}

/** Opens the Redis at `address`. `started`: the server that was started for it, and is closed with it. */
export async function openRedisStore(address: string, started?: ServerHandle): Promise<Store> {
  const own = await connectRedis(address);
  const info = await own.info('server');
  const valkey = /valkey_version:(\S+)/.exec(info)?.[1];
  const version = valkey === undefined ? `Redis ${/redis_version:(\S+)/.exec(info)?.[1] ?? 'of an unknown version'}` : `Valkey ${valkey}`;
  return {
    backend: 'redis',
    address,
    title: `${version} at ${own.options.host}:${own.options.port}`,
    pids: pidsOf(started),
    register: registerOn(own),
    observer: {
      expiry: expiryOn(own),
      watchCommands: async () => monitorRedis(address, { address: await addressOf(own), echo: (text) => own.echo(text) }),
    },
    async close() {
      own.disconnect();
      await started?.close();
    },
  };
}

export function registerOn(client: Redis): Register {
  return {
    read: async (name) => Number((await client.get(`${name}:register`)) ?? 0),
    write: async (name, value) => {
      await client.set(`${name}:register`, value, 'PX', leftoverMs);
    },
    ticket: async (name) => {
      const ticket = await client.incr(`${name}:ticket`);
      if (ticket === 1) await client.pexpire(`${name}:ticket`, leftoverMs);
      return ticket;
    },
    close: async () => client.disconnect(),
  };
}

function expiryOn(client: Redis): ExpiryView {
  return {
    async find(part) {
      const keys: string[] = [];
      for await (const page of client.scanStream({ match: `*${part}*`, count: 1_000 })) keys.push(...(page as string[]));
      return [...new Set(keys)];
    },
    async remaining(keys) {
      const pipeline = client.pipeline();
      for (const key of keys) pipeline.pttl(key);
      const replies = (await pipeline.exec()) ?? [];
      return replies.map(([error, left]) => (error === null ? Number(left) : 0));
    },
  };
}

async function addressOf(client: Redis): Promise<string> {
  return / addr=(\S+)/.exec(String(await client.client('INFO')))?.[1] ?? '';
}
