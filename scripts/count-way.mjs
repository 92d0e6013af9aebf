// Counts the files and the named functions of ours that an uncontended `withLock` on Redis runs through, by V8's precise coverage.
// node scripts/count-way.mjs [--list]: needs a built checkout and a redis-server, or HOLDFAST_TEST_REDIS_URL.
import { Session } from 'node:inspector/promises';
import { dirname, relative } from 'node:path';
import { argv, env } from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';

const top = dirname(dirname(fileURLToPath(import.meta.url)));
const built = (path) => import(pathToFileURL(`${top}/${path}`).href);
const { createRedisLockManager } = await built('packages/redis/dist/index.js');
const { startRedis } = await built('test/dist/servers/index.js');

const server = env.HOLDFAST_TEST_REDIS_URL === undefined ? await startRedis() : null;
const manager = createRedisLockManager({ url: server?.url ?? env.HOLDFAST_TEST_REDIS_URL });
const once = () => manager.withLock(`holdfast:way:${Math.random()}`, () => {});
// Connections, scripts and samples of the server's clock are made by the first.
for (let i = 0; i < 200; i += 1) await once();

const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
await session.post('Profiler.takePreciseCoverage');
await once();
const { result } = await session.post('Profiler.takePreciseCoverage');
session.disconnect();

const files = new Map();
for (const { url, functions } of result) {
  const path = url.startsWith('file://') ? relative(top, fileURLToPath(url)) : '';
  if (!/^packages\/[^/]+\/dist\//.test(path)) continue;
  const names = functions
    .filter(({ functionName, ranges }) => functionName !== '' && ranges[0].count > 0)
    .map(({ functionName }) => functionName);
  if (names.length > 0) files.set(path, names);
}
const functions = [...files.values()].flat();
if (argv.includes('--list')) for (const [path, names] of files) console.log(`${path}\n  ${names.join(', ')}`);
console.log(`${files.size} files, ${functions.length} functions`);

await manager.close();
await server?.stop?.();
