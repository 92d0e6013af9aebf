import { startRedisNodes } from '@holdfast/test/servers';
import { initializeNodes } from '@holdfast/redlock';
import type { Register, Store } from '../store.js';
import { pidsOf } from './pids-of.js';
import { connectRedis, registerOn } from './redis.js';

const NODES = 3;

/** The nodes behind an address. */
export function nodesOf(address: string): readonly string[] {
  return address.split(',');
}

/** Opens the shared counter, which lies on the first node. */
export async function openRedlockRegister(address: string): Promise<Register> {
  return registerOn(await connectRedis(nodesOf(address)[0] ?? ''));
}

/** Three Redis servers that know nothing of each other. */
export async function startRedlockStore(): Promise<Store> {
  const servers = await startRedisNodes(NODES);
  try {
    await initializeNodes({ urls: servers.urls });
    const address = servers.urls.join(',');
    const register = await openRedlockRegister(address);
    return {
      backend: 'redlock',
      address,
      title: `Redlock on ${NODES} Redis servers`,
      pids: pidsOf(...servers.nodes),
      register,
      observer: null,
      async close() {
        await register.close();
        await servers.close();
      },
    };
  } catch (error) {
    await servers.close();
    throw error;
  }
}
