import { describeLockManager } from '@holdfast/core/conformance';
import { warmUp } from '@holdfast/test/backend';
import { GlideClient } from '@valkey/valkey-glide';
import { beforeAll, describe, it } from 'vitest';
import { gatedHarness, type Reached } from '../../conformance-harness.js';
import { useRedis } from '../../redis-harness.js';

const redis = useRedis();

const reach = async (): Promise<Reached> => {
  const client = await GlideClient.createClient({ addresses: [{ host: '127.0.0.1', port: redis.server.port }], requestTimeout: 5_000 });
  return { options: { client }, end: () => client.close() };
};

const harness = gatedHarness('Redis through a client of GLIDE', reach, (pattern) => redis.admin.keys(pattern));

beforeAll(() => warmUp(harness));

describeLockManager({ describe: describe.concurrent, it }, harness);
