import { describeLockManager } from '@holdfast/core/conformance';
import { GlideClient, ProtocolVersion } from '@valkey/valkey-glide';
import { beforeAll, describe, it } from 'vitest';
import { gatedHarness, type Reached, warmUp } from '../conformance-harness.js';
import { useRedis } from '../redis-harness.js';

const redis = useRedis();

const reach = async (): Promise<Reached> => {
  const { host, port } = redis.server;
  // With its own 250 ms a client of the user gives up what a loaded machine answers later.
  const settings = { requestTimeout: 5000, protocol: ProtocolVersion.RESP2 };
  const client = await GlideClient.createClient({ ...settings, addresses: [{ host, port }] });
  return { options: { client }, end: () => client.close() };
};

const harness = gatedHarness('Redis through a client of GLIDE with RESP2', reach, (pattern) => redis.admin.keys(pattern));

beforeAll(() => warmUp(harness));

describeLockManager({ describe, it: it.concurrent }, harness);
