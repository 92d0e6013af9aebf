import { describeLockManager } from '@holdfast/core/conformance';
import { warmUp } from '@holdfast/test/backend';
import { createClient } from 'redis';
import { createClient as createClient5 } from 'redis-5';
import { beforeAll, describe, it } from 'vitest';
import { gatedHarness, type Reached } from '../conformance-harness.js';
import { useRedis } from '../redis-harness.js';

const redis = useRedis();

const clients = {
  'redis 6 and RESP3': () => createClient({ url: redis.server.url, RESP: 3 }),
  'redis 5': () => createClient5({ url: redis.server.url }),
} as const;

for (const [name, make] of Object.entries(clients)) {
  const reach = async (): Promise<Reached> => {
    const client = make();
    client.on('error', () => {});
    await client.connect();
    return { options: { client }, end: () => client.destroy() };
  };
  const harness = gatedHarness(`Redis through a client of ${name}`, reach, (pattern) => redis.admin.keys(pattern));
  beforeAll(() => warmUp(harness));
  describeLockManager({ describe: describe.concurrent, it }, harness);
}
