import { conformanceCases, runConformanceCase } from '@holdfast/core/conformance';
import { createPostgresBackend } from '@holdfast/postgres';
import { createRedisBackend } from '@holdfast/redis';
import { type PostgresServer, type RedisServer, startPostgres, startRedis } from '@holdfast/test/servers';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { realMigratingHarness, type SideSpec } from './migrating-harness.js';

let redis: RedisServer;
let postgres: PostgresServer;

beforeAll(async () => {
  [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
});

afterAll(async () => {
  await Promise.all([redis.close(), postgres.close()]);
});

const inRedis: SideSpec = { server: () => redis, open: (url, scope) => createRedisBackend({ url, prefix: `${scope}:` }) };
const inPostgres: SideSpec = {
  server: () => postgres,
  open: (connectionString, namespace) => createPostgresBackend({ connectionString, namespace, sessionMs: 6_000 }),
};

/** Where a second store or a real network can make a difference; the rest is asked of two memory stores. */
const TOPICS = ['exclusive', 'waiting', 'crash', 'fencing', 'marks', 'inspection', 'close', 'late'];

describe.each([
  ['from one prefix of a Redis to another', realMigratingHarness('redis->redis', 'both', inRedis, inRedis)],
  ['from Redis to PostgreSQL', realMigratingHarness('redis->postgres', 'both', inRedis, inPostgres)],
])('a manager on its way %s keeps the lock manager’s contract', (_, harness) => {
  for (const testCase of conformanceCases({ faults: harness.faults })) {
    if (!TOPICS.includes(testCase.topic)) continue;
    it.concurrent(`${testCase.id}: ${testCase.title}`, () => runConformanceCase(harness, testCase), testCase.timeoutMs + 35_000);
  }
});
