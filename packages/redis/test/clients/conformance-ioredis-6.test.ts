import { describeLockManager } from '@holdfast/core/conformance';
import { Redis } from 'ioredis-6';
import { beforeAll, describe, it } from 'vitest';
import { gatedHarness, warmUp } from '../conformance-harness.js';
import { useRedis } from '../redis-harness.js';

const redis = useRedis();

function newClient(): Redis {
  const client = new Redis(redis.server.port);
  client.on('error', () => {});
  return client;
}

const harness = gatedHarness(
  'Redis through a client of ioredis 6',
  () => {
    const client = newClient();
    return { options: { client }, end: () => client.disconnect() };
  },
  (pattern) => redis.admin.keys(pattern),
);

beforeAll(() => warmUp(harness));

describeLockManager({ describe, it: it.concurrent }, harness);
