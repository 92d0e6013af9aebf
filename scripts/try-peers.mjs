// Writes docs/peers.md: installs today's lock libraries from npm, in exact versions, into a folder of its own, runs the conformance suite on each
// and says which rules each breaks. `try-peers.mjs [--only id,id]`. The packages must be built; servers come as in the tests. A case counts as
// failed only when it failed each of three times, so that a busy machine accuses nobody.
import { fork, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { conformanceCases, rules, SUITE_VERSION, superviseConformance } from '../packages/core/dist/conformance/index.js';
import { startRedis } from '../test/dist/servers/index.js';
import { IOREDIS, peers } from './peers/adapters.mjs';

/** What a peer can be asked: locks. What core does by itself whatever the backend is (options, tasks, events) says nothing of it. */
const TOPICS = [
  'backend',
  'exclusive',
  'names',
  'leases',
  'renewal',
  'deadline',
  'clock',
  'unavailable',
  'late',
  'wire',
  'nodes',
  'waiting',
  'crash',
  'process',
];
const page = new URL('../docs/peers.md', import.meta.url);
const results = new URL('peers/results.json', import.meta.url);
const suite = fileURLToPath(new URL('peers/peer-suite.mjs', import.meta.url));
const cases = new Map(conformanceCases().map((one) => [one.id, one]));
// Needs what the peers have not: forced release, or an answer of how long; and a driver whose connections keep no process.
const LACKING = /process\/ends|forced|force|inspect|told-of-force|verified|stale|with-lock|in-a-batch|per-hold|release-once/;

const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1].split(',') : peers.map(({ id }) => id);
const known = existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : {};
const servers = await Promise.all([startRedis({ config: {} }), startRedis({ config: {} }), startRedis({ config: {} })]);
try {
  for (const peer of peers.filter(({ id }) => only.includes(id))) {
    known[peer.id] = await judge(peer);
    writeFileSync(results, `${JSON.stringify(known, null, 2)}\n`);
  }
} finally {
  await Promise.all(servers.map((server) => server.close()));
}
writeFileSync(page, pageOf(known));

async function judge(peer) {
  const folder = install(peer);
  const nodes = servers.slice(0, peer.nodes).map(({ port }) => ({ host: '127.0.0.1', port }));
  const start = () => {
    const child = fork(suite, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
    child.send({ id: peer.id, folder, nodes });
    return child;
  };
  const ids = [...cases.values()]
    .filter(({ id, topic, needs }) => TOPICS.includes(topic) && needs.length === 0 && !LACKING.test(id) && !id.startsWith('exclusive/pair'))
    .map(({ id }) => id);
  const first = await superviseConformance(peer.id, start, { only: ids, concurrency: 8 });
  const suspects = first.cases.filter(({ status }) => status === 'failed').map(({ id }) => id);
  console.log(`${peer.id}: ${first.passed} passed, ${suspects.length} to be tried twice more`);
  const again =
    suspects.length === 0 ? [] : (await superviseConformance(peer.id, start, { only: suspects, concurrency: 4, repeat: 2 })).cases;
  const failed = again
    .filter(({ failures }) => failures === 2)
    .map(({ id, error }) => ({ id, error: String(error).split('\n')[0].slice(0, 160) }));
  const run = first.cases.filter(({ status }) => status === 'passed' || status === 'failed').length;
  return { package: peer.package, version: peer.version, nodes: peer.nodes, node: process.versions.node, run, failed };
}

/** With the same driver for all; nothing of it touches this repository. */
function install(peer) {
  const folder = join(tmpdir(), 'holdfast-peers', `${peer.package.replace(/\W+/g, '-')}-${peer.version}`);
  if (existsSync(join(folder, 'node_modules', peer.package))) return folder;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  const packages = [`${peer.package}@${peer.version}`, `ioredis@${IOREDIS}`];
  const { status, stderr } = spawnSync(
    'npm',
    ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--legacy-peer-deps', ...packages],
    { cwd: folder, encoding: 'utf8' },
  );
  if (status !== 0) throw new Error(`npm install ${packages.join(' ')}: ${stderr}`);
  return folder;
}

function pageOf(found) {
  const tried = peers.filter(({ id }) => found[id] !== undefined);
  const brokenBy = (id) => new Set(found[id].failed.map((one) => cases.get(one.id)?.rule.id));
  const broken = rules.filter((rule) => tried.some(({ id }) => brokenBy(id).has(rule.id)));
  return `${[
    '# The suite on the libraries of today',
    '',
    `<!-- Written by scripts/try-peers.mjs from what it saw; do not edit. -->`,
    '',
    `What the [conformance suite](../packages/core/src/conformance/README.md) ${SUITE_VERSION} says of other lock libraries, each installed from npm in the version named here and asked for one attempt, one`,
    'extension and one release at a time. Everything around that (waiting, deadlines, loss) is then done by the manager in core, so what is left is what a library does with its',
    'store. A case counts as failed when it failed each of three times. The rules are in [RULES.md](../packages/core/src/conformance/RULES.md).',
    '',
    '| library | version | servers | cases run | failed | rules that it breaks |',
    '| --- | --- | --- | --- | --- | --- |',
    ...tried.map(({ id }) => {
      const { package: name, version, nodes, run, failed } = found[id];
      const list = [...brokenBy(id)].map((rule) => `[${rule}](../packages/core/src/conformance/RULES.md#${rule})`).join(', ');
      return `| \`${name}\`${id.startsWith('redis-semaphore') ? `, ${id.endsWith('mutex') ? 'Mutex' : 'RedlockMutex'}` : ''} | ${version} | ${nodes} | ${run} | ${failed.length} | ${list || '-'} |`;
    }),
    '',
    ...broken.flatMap((rule) => [
      `## ${rule.id}`,
      '',
      rule.says,
      '',
      '| library | case | what was seen |',
      '| --- | --- | --- |',
      ...tried.flatMap(({ id }) =>
        found[id].failed
          .filter((one) => cases.get(one.id)?.rule === rule)
          .map((one) => `| ${id} | \`${one.id}\` | ${one.error.replaceAll('|', '\\|').replaceAll('<', '&lt;')} |`),
      ),
      '',
    ]),
    '## What the suite cannot show of them',
    '',
    '- Faults of what these libraries do around a lock (`using` of redlock, `run` of verrou, the automatic refresh of redis-semaphore) do not show: the manager does that here.',
    '- A semaphore that counts per node (`RedlockSemaphore`) shows only where the order of messages differs; the case `nodes/permits` is for backends that declare semaphores, and none is asked of these.',
    '- What asks again under the same owner is answered from what is known here, because these libraries choose the owner themselves.',
  ].join('\n')}\n`;
}
