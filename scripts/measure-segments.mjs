// Where the time of one lock taken and freed on Redis goes, in µs: of the bare floor, of the scripts of Holdfast sent bare, and of Holdfast. Median of each
// segment, between the calls, the writes to the socket and the answers. node scripts/measure-segments.mjs: needs a built checkout and a redis-server.
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const top = dirname(dirname(fileURLToPath(import.meta.url)));
const built = (path) => import(pathToFileURL(`${top}/${path}`).href);
const { createRedisLockManager } = await built('packages/redis/dist/index.js');
const { scripts } = await built('packages/redis/dist/scripts.generated.js');
const { startRedis } = await built('test/dist/servers/index.js');
const { Redis } = createRequire(`${top}/packages/redis/package.json`)('ioredis');

const NAMES = 1_000;
const ROUNDS = 12;
const PAIRS = 1_500;
const COMPARE_AND_DELETE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0";
const SEGMENTS = [
  'until the request is written',
  'write',
  'until the answer',
  'until the task',
  'until the release is written',
  'write',
  'until the answer',
  'until the end',
];

const server = await startRedis();
const { hostname, port } = new URL(server.url);
const [bare, ours] = [new Redis(port, hostname), new Redis(port, hostname)];
await Promise.all([bare.ping(), ours.ping()]);
const manager = createRedisLockManager({ client: ours });

let times = [];
const mark = () => times.push(performance.now() * 1_000);
for (const { stream } of [bare, ours]) {
  const { write, emit } = stream;
  stream.write = (...args) => {
    mark();
    const hasRoom = write.apply(stream, args);
    mark();
    return hasRoom;
  };
  stream.emit = (event, ...args) => {
    if (event === 'data') mark();
    return emit.call(stream, event, ...args);
  };
}

const { acquire, release } = scripts;
const [, , free] = await Promise.all([acquire.source, release.source, COMPARE_AND_DELETE].map((source) => bare.script('LOAD', source)));
const owner = 'f'.repeat(32);
const ways = {
  floor: async (i) => {
    const key = `floor:${i % NAMES}`;
    await bare.set(key, owner, 'PX', 30_000, 'NX');
    mark();
    await bare.evalsha(free, 1, key, owner);
  },
  'the scripts, bare': async (i) => {
    const keys = [`bare:${i % NAMES}`, `holdfast.{x}:lock-waiters:bare:${i % NAMES}`, 'holdfast.{x}:fence'];
    const until = String(Date.now() + 2_000);
    await bare.evalsha(acquire.sha, 3, ...keys, '10123456789abcdef', until, '62042', `x ${owner} 31000 host:1`);
    mark();
    await bare.evalsha(release.sha, 3, ...keys, '10123456789abcdef', `x ${owner} 1 -`);
  },
  holdfast: async (i) => {
    const lease = await manager.acquire(`lock:${i % NAMES}`);
    mark();
    await lease.release();
  },
};

for (const way of Object.values(ways)) for (let i = 0; i < 2 * PAIRS; i += 1) await way(i);
const segments = Object.fromEntries(Object.keys(ways).map((name) => [name, [...SEGMENTS, 'all'].map(() => [])]));
for (let round = 0; round < ROUNDS; round += 1) {
  for (const [name, way] of Object.entries(ways)) {
    for (let i = 0; i < PAIRS; i += 1) {
      times = [];
      mark();
      await way(i);
      mark();
      // An answer in two packets, or a sign of life beside it.
      if (times.length !== SEGMENTS.length + 1) continue;
      for (let at = 0; at < SEGMENTS.length; at += 1) segments[name][at].push(times[at + 1] - times[at]);
      segments[name].at(-1).push(times.at(-1) - times[0]);
    }
  }
}
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1].toFixed(1);
console.log(`| µs | ${Object.keys(ways).join(' | ')} |`);
console.log(`| --- |${' --- |'.repeat(Object.keys(ways).length)}`);
for (const [at, segment] of [...SEGMENTS, 'all'].entries()) {
  console.log(
    `| ${segment} | ${Object.keys(ways)
      .map((name) => median(segments[name][at]))
      .join(' | ')} |`,
  );
}

bare.disconnect();
await manager.close();
ours.disconnect();
await server.stop();
