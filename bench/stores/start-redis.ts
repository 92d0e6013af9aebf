import { startRedis } from '@holdfast/test/servers';
import type { Store } from '../store.js';
import { openRedisStore } from './redis.js';

/** The Redis that HOLDFAST_TEST_REDIS_URL names; else one that is started for this run and ends with it. */
export async function startRedisStore(): Promise<Store> {
  const given = process.env['HOLDFAST_TEST_REDIS_URL'];
  // Straight to it: the handle that tests get for such an address is a proxy in this process, which would be measured too.
  if (given !== undefined && given !== '') return openRedisStore(given);
  const server = await startRedis();
  try {
    return await openRedisStore(server.url, server);
  } catch (error) {
    await server.close();
    throw error;
  }
}
