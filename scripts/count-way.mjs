// Counts the files and the named functions of ours that an uncontended `withLock` on Redis runs through, by V8's precise coverage.
// Of a name that comes for the first time, and of one that has come before. node scripts/count-way.mjs [--list]: needs a built checkout and a redis-server, or HOLDFAST_TEST_REDIS_URL.
// --list names them, with how often each runs.
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
for (const { what, warm, name } of [
  { what: 'a new name', warm: names[0], name: () => `${names[1]}:${Math.random()}` },
  { what: 'a known name', warm: names[2], name: () => names[2] },
]) {
  let least = null;
  // Timers of the manager's may fire meanwhile, and are not of the way.
  for (let i = 0; i < 10; i += 1) {
    // Of calls that come one after another: the first of them sets the timer for which the process stays.
    await session.post('Profiler.takePreciseCoverage');
    await once(warm);
    await session.post('Profiler.takePreciseCoverage');
    await once(name());
    const way = wayOf((await session.post('Profiler.takePreciseCoverage')).result);
    if (least === null || way.calls < least.calls) least = way;
  }
  if (argv.includes('--list')) for (const [path, called] of least.files) console.log(`${path}\n  ${called.join(', ')}`);
  console.log(`${what}: ${least.files.size} files, ${[...least.files.values()].flat().length} functions, ${least.calls} calls`);
}
session.disconnect();

/** By file the functions that ran, and how often all of them together. */
function wayOf(result) {
  const files = new Map();
  let calls = 0;
  for (const { url, functions } of result) {
    const path = url.startsWith('file://') ? relative(top, fileURLToPath(url)) : '';
    if (!/^packages\/[^/]+\/dist\//.test(path)) continue;
    const called = [];
    for (const { functionName, ranges } of functions) {
      const { count } = ranges[0];
      if (count === 0 || !isInSource(functionName)) continue;
      calls += count;
      called.push(count === 1 ? functionName : `${functionName} ×${count}`);
    }
    if (called.length > 0) files.set(path, called);
  }
  return { files, calls };
}

/** Whether somebody has named the function: V8 has names of its own for the fields of a class, and for a callback by where it stands. */
function isInSource(functionName) {
  return /^(get |set )?#?[\w$]+$/.test(functionName);
}

await manager.close();
await server?.stop?.();
