// How long a batch of jobs takes on a store that is 10 ms away: `node scripts/measure-batch.mjs redis [items] [round trip ms]`, after a build.
// By default 10,000 items, 50 at a time, with empty tasks and marks; then the same batch once more, which is done already. Ends with 1 when the
// first takes more than 30 s or the second more than 10 s, in proportion to the items.
import { createMemoryLockManager } from '../packages/core/dist/memory/index.js';
import { createJobLockManager } from '../packages/jobs/dist/index.js';
import { createPostgresLockManager } from '../packages/postgres/dist/index.js';
import { createRedisLockManager } from '../packages/redis/dist/index.js';
import { createRedlockLockManager, initializeNodes } from '../packages/redlock/dist/index.js';
import { createZooKeeperLockManager } from '../packages/zookeeper/dist/index.js';
import { startPostgres, startRedis, startRedisNodes, startTcpProxy, startZooKeeper } from '../test/dist/servers/index.js';

const CONCURRENCY = 50;
const FIRST_MS = 30_000;
const SECOND_MS = 10_000;

/** A manager on a server of its own, and the lines to it. */
const stores = {
  redis: async () => await oneServer(await startRedis(), (url) => createRedisLockManager({ url })),
  postgres: async () => await oneServer(await startPostgres(), (url) => createPostgresLockManager({ connectionString: url })),
  table: async () =>
    await oneServer(await startPostgres(), (url) => createPostgresLockManager({ connectionString: url, strategy: 'table' })),
  zookeeper: async () => await oneServer(await startZooKeeper(), (url) => createZooKeeperLockManager({ connectionString: url })),
  async redlock() {
    const started = await startRedisNodes(3);
    await initializeNodes({ urls: started.urls });
    const lines = await Promise.all(started.nodes.map(({ port }) => startTcpProxy({ target: port })));
    const urls = started.urls.map((url, index) => lines[index].urlFor(url));
    return { locks: createRedlockLockManager({ urls }), lines, close: () => started.close() };
  },
  memory: async () => ({ locks: createMemoryLockManager(), lines: [], close: async () => {} }),
};

async function oneServer(server, open) {
  const line = await startTcpProxy({ target: server.port });
  return { locks: open(line.urlFor(server.url)), lines: [line], close: () => server.close() };
}

const [name = 'redis', count = '10000', roundTripMs = '10'] = process.argv.slice(2);
if (!(name in stores)) throw new Error(`which store? one of ${Object.keys(stores).join(', ')}`);
const { locks, lines, close } = await stores[name]();
const jobs = createJobLockManager(locks);
const items = Array.from({ length: Number(count) }, (_, index) => `invoice ${index}`);

async function run(wanted, longestMs) {
  const begin = performance.now();
  const results = await jobs.forEachExclusive(
    items,
    { key: (item) => item, job: 'measured', concurrency: CONCURRENCY, retentionMs: 3_600_000 },
    () => {},
  );
  const tookMs = Math.round(performance.now() - begin);
  const outcomes = new Map();
  for (const result of results) {
    if (!outcomes.has(result.outcome)) outcomes.set(result.outcome, []);
    outcomes.get(result.outcome).push(result);
  }
  const counts = [...outcomes].map(([outcome, some]) => `${some.length} ${outcome}`).join(', ');
  const [failed] = outcomes.get('failed') ?? outcomes.get('not-started') ?? [];
  console.log(`${name}: ${counts} in ${tookMs} ms${failed === undefined ? '' : ` (${String(failed.error)})`}`);
  if (outcomes.get(wanted)?.length !== items.length || tookMs > (longestMs * items.length) / 10_000) process.exitCode = 1;
}

try {
  await locks.withLock('warm', () => {});
  for (const line of lines) line.delayMs = Number(roundTripMs) / 2;
  await run('processed', FIRST_MS);
  await run('done', SECOND_MS);
} finally {
  for (const line of lines) line.delayMs = 0;
  await locks.close();
  await Promise.all(lines.map((line) => line.close()));
  await close();
}
