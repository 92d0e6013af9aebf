// CPU time of this process for taking and freeing a lock on Redis, beside the same scripts sent bare, in µs a pair: blocks of both take turns, so
// that what else runs on the machine falls on both. node scripts/measure-work.mjs [--rounds 20]: needs a built checkout and a redis-server.
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { argv, cpuUsage } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';

const top = dirname(dirname(fileURLToPath(import.meta.url)));
const built = (path) => import(pathToFileURL(`${top}/${path}`).href);
const { createRedisLockManager } = await built('packages/redis/dist/index.js');
const { createMemoryLockManager } = await built('packages/core/dist/memory/index.js');
const { scripts } = await built('packages/redis/dist/scripts.generated.js');
const { startRedis } = await built('test/dist/servers/index.js');
const { Redis } = createRequire(`${top}/packages/redis/package.json`)('ioredis');

const ROUNDS = Number(argv[argv.indexOf('--rounds') + 1]) || 20;
const PAIRS = 2_000;
const server = await startRedis();
const url = new URL(server.url);
const redis = createRedisLockManager({ url: server.url });
const memory = createMemoryLockManager();
const client = new Redis(url.port, url.hostname, { enableAutoPipelining: false });

const { acquire, release } = scripts;
for (const { source } of [acquire, release]) await client.script('LOAD', source);
const owner = 'f'.repeat(32);
const bare = async (i) => {
  const keys = [`bare:${i % 1_000}`, `holdfast.{x}:lock-waiters:bare:${i % 1_000}`, 'holdfast.{x}:fence'];
  const until = String(Date.now() + 2_000);
  await client.evalsha(acquire.sha, 3, ...keys, '10123456789abcdef', until, '62042', `x ${owner} 31000 host:1`);
  await client.evalsha(release.sha, 3, ...keys, '10123456789abcdef', `x ${owner} 1 -`);
};
const task = () => {};
const ways = {
  redis: (i) => redis.withLock(`lock:${i % 1_000}`, task),
  'redis, acquire and release': async (i) => (await redis.acquire(`lock:${i % 1_000}`)).release(),
  bare,
  memory: (i) => memory.withLock(`lock:${i % 1_000}`, task),
};

async function measure(way) {
  const before = cpuUsage();
  for (let i = 0; i < PAIRS; i += 1) await way(i);
  const { user, system } = cpuUsage(before);
  return { user: user / PAIRS, all: (user + system) / PAIRS };
}

const results = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
for (let round = -3; round < ROUNDS; round += 1) {
  for (const [name, way] of Object.entries(ways)) {
    const used = await measure(way);
    if (round >= 0) results[name].push(used);
  }
}
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const medians = Object.fromEntries(Object.entries(results).map(([name, all]) => [name, median(all.map((each) => each.all))]));
for (const [name, all] of Object.entries(results)) {
  console.log(`${name}: ${medians[name].toFixed(1)} us a pair (user ${median(all.map(({ user }) => user)).toFixed(1)})`);
}
const differences = results.redis.map(({ all }, round) => all - results.bare[round].all);
console.log(`ours beyond the bare scripts: ${median(differences).toFixed(1)} us a pair`);

client.disconnect();
await redis.close();
await memory.close();
await server.stop();
