import { describeLockManager } from '@holdfast/core/conformance';
import { warmUp } from '@holdfast/test/backend';
import { type RedisCluster, startRedisCluster } from '@holdfast/test/servers';
import { Cluster } from 'ioredis';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { gatedHarness } from './conformance-harness.js';

let cluster: RedisCluster;
let admin: Cluster;

beforeAll(async () => {
  cluster = await startRedisCluster();
  admin = new Cluster(cluster.nodes.map(({ host, port }) => ({ host, port })));
});
afterAll(async () => {
  admin.disconnect();
  await cluster.close();
});

async function findKeys(pattern: string): Promise<readonly string[]> {
  return (await Promise.all(admin.nodes('master').map((node) => node.keys(pattern)))).flat();
}

const harness = gatedHarness('Redis Cluster', () => ({ options: { url: cluster.url } }), findKeys);

beforeAll(() => warmUp(harness));

describeLockManager({ describe: describe.concurrent, it }, harness);
