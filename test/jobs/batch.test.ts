import type { LockManager } from '@holdfast/core';
import { createJobLockManager } from '@holdfast/jobs';
import { createPostgresLockManager } from '@holdfast/postgres';
import { createRedisLockManager } from '@holdfast/redis';
import { createRedlockLockManager, initializeNodes } from '@holdfast/redlock';
import { startPostgres, startRedis, startRedisNodes, startTcpProxy, startZooKeeper, type TcpProxy } from '@holdfast/test/servers';
import { createZooKeeperLockManager } from '@holdfast/zookeeper';
import { describe, expect, it, onTestFinished } from 'vitest';

const ROUND_TRIP_MS = 100;
const ITEMS = 500;
/** What is counted is round trips; a busy machine may take its time over what it does between them. */
const patient = { commandTimeoutMs: 10_000 };
/** Far fewer than items; what this machine does meanwhile takes much less than so many round trips. */
const MOST_ROUND_TRIPS = 250;

interface World {
  readonly locks: LockManager;
  readonly lines: readonly TcpProxy[];
}

interface Server {
  readonly url: string;
  readonly port: number;
  close(): Promise<void>;
}

const onOne = (start: () => Promise<Server>, open: (url: string) => LockManager) => async (): Promise<World> => {
  const server = await start();
  const line = await startTcpProxy({ target: server.port });
  const locks = open(line.urlFor(server.url));
  onTestFinished(async () => {
    line.delayMs = 0;
    await locks.close();
    await line.close();
    await server.close();
  });
  return { locks, lines: [line] };
};

async function onNodes(): Promise<World> {
  const started = await startRedisNodes(3);
  await initializeNodes({ urls: started.urls });
  const lines = await Promise.all(started.nodes.map(({ port }) => startTcpProxy({ target: port })));
  const locks = createRedlockLockManager({
    urls: started.urls.map((url, index) => lines[index]?.urlFor(url) ?? url),
    nodeTimeoutMs: 5_000,
    ...patient,
  });
  onTestFinished(async () => {
    for (const line of lines) line.delayMs = 0;
    await locks.close();
    await Promise.all(lines.map((line) => line.close()));
    await started.close();
  });
  return { locks, lines };
}

const stores = [
  ['Redis', onOne(startRedis, (url) => createRedisLockManager({ url, ...patient }))],
  ['Redlock', onNodes],
  ['PostgreSQL, advisory', onOne(startPostgres, (connectionString) => createPostgresLockManager({ connectionString, ...patient }))],
  [
    'PostgreSQL, table',
    onOne(startPostgres, (connectionString) => createPostgresLockManager({ connectionString, strategy: 'table', ...patient })),
  ],
  ['ZooKeeper', onOne(startZooKeeper, (connectionString) => createZooKeeperLockManager({ connectionString, ...patient }))],
] as const;

describe.each(stores)('a batch on %s, which is far away', (_, open) => {
  it('takes a number of round trips that does not grow with its items', { timeout: 120_000 }, async () => {
    const { locks, lines } = await open();
    const jobs = createJobLockManager(locks);
    await locks.withLock('warm', () => {});
    await locks.marks?.has('warm');
    for (const line of lines) line.delayMs = ROUND_TRIP_MS / 2;
    const items = Array.from({ length: ITEMS }, (__, index) => index);
    const run = async (): Promise<{ readonly outcomes: ReadonlySet<string>; readonly roundTrips: number }> => {
      const begin = performance.now();
      const results = await jobs.forEachExclusive(items, { key: String, concurrency: 50, retentionMs: 3_600_000 }, () => {});
      return { outcomes: new Set(results.map(({ outcome }) => outcome)), roundTrips: (performance.now() - begin) / ROUND_TRIP_MS };
    };
    const first = await run();
    expect(first.outcomes).toEqual(new Set(['processed']));
    expect(first.roundTrips).toBeLessThan(MOST_ROUND_TRIPS);
    const second = await run();
    expect(second.outcomes).toEqual(new Set(['done']));
    expect(second.roundTrips).toBeLessThan(MOST_ROUND_TRIPS);
  });
});
