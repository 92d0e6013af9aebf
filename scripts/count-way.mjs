// Counts the files and the named functions of ours that an uncontended `withLock` on Redis runs through, by V8's precise coverage.
// Of a name that comes for the first time, and of one that has come before. node scripts/count-way.mjs [--list]: needs a built checkout and a redis-server, or HOLDFAST_TEST_REDIS_URL.
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
const names = ['warm', 'new', 'known'].map((kind) => `holdfast:way:${kind}:${Math.random()}`);
const once = (name) => manager.withLock(name, () => {});
// Connections, scripts and samples of the server's clock are made by the first.
for (let i = 0; i < 200; i += 1) await once(`holdfast:way:${i}`);
await once(names[2]);

const session = new Session();
session.connect();
await session.post('Profiler.enable');
await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
for (const [what, warm, name] of [
  ['a new name', names[0], names[1]],
  ['a known name', names[2], names[2]],
]) {
  // Of calls that come one after another: the first of them sets the timer for which the process stays.
  await session.post('Profiler.takePreciseCoverage');
  await once(warm);
  await session.post('Profiler.takePreciseCoverage');
  await once(name);
  const { result } = await session.post('Profiler.takePreciseCoverage');
  report(what, result);
}
session.disconnect();

function report(what, result) {
  const files = new Map();
  for (const { url, functions } of result) {
    const path = url.startsWith('file://') ? relative(top, fileURLToPath(url)) : '';
    if (!/^packages\/[^/]+\/dist\//.test(path)) continue;
    const called = functions
      .filter(({ functionName, ranges }) => functionName !== '' && ranges[0].count > 0)
      .map(({ functionName }) => functionName);
    if (called.length > 0) files.set(path, called);
  }
  if (argv.includes('--list')) for (const [path, called] of files) console.log(`${path}\n  ${called.join(', ')}`);
  console.log(`${what}: ${files.size} files, ${[...files.values()].flat().length} functions`);
}

await manager.close();
await server?.stop?.();
