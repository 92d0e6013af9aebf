import { describeLockManager } from '@holdfast/core/conformance';
import { warmUp } from '@holdfast/test/backend';
import { Redis as Redis6 } from 'ioredis-6';
import { Redis as Valkey } from 'iovalkey';
import { beforeAll, describe, it } from 'vitest';
import { gatedHarness, type Reached } from '../conformance-harness.js';
import { useRedis } from '../redis-harness.js';

const redis = useRedis();

const clients = {
  'ioredis 6': () => new Redis6(redis.server.port),
  iovalkey: () => new Valkey(redis.server.port),
} as const;

for (const [name, make] of Object.entries(clients)) {
  const reach = (): Reached => {
    const client = make();
    client.on('error', () => {});
    return { options: { client }, end: () => client.disconnect() };
  };
  const harness = gatedHarness(`Redis through a client of ${name}`, reach, (pattern) => redis.admin.keys(pattern));
  beforeAll(() => warmUp(harness));
  describeLockManager({ describe: describe.concurrent, it }, harness);
}
