// Writes docs/peers.md: installs today's lock libraries from npm, in exact versions, into a folder of its own, runs the conformance suite on each
// and says which rules each breaks. `try-peers.mjs [--only id,id]`. The packages must be built; servers come as in the tests. A case counts as
// failed only when it failed each of three times, so that a busy machine accuses nobody.
import { fork, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { conformanceCases, rules, SUITE_VERSION, superviseConformance } from '../packages/core/dist/conformance/index.js';
import { startPostgres, startRedis } from '../test/dist/servers/index.js';
import { IOREDIS, peers } from './peers/adapters.mjs';
import { knownFaults } from './peers/known-faults.mjs';

/**
 * What a peer is asked: what a library does with its store. What the manager in core does by itself, whatever the backend is (options, tasks,
 * events), says nothing of it, and neither does what these libraries have not (forced release, batches, a look at the holder).
 */
const ASKED = new Set(
  [
    'backend: owner expired-exclusive beside-a-manager late-exclusive',
    'exclusive: lock/is-taken-and-freed lock/excludes lock/hand-over lock/load all/expires',
    'deadline: late-grant expired-grant lost-reply lost-release failed-extend waiting-through-silence aborted-in-silence store-clock store-clock-expiry',
    'clock: ahead behind',
    'unavailable: wait blip',
    'late: soon later clock-ahead clock-behind waiting release-and-extend',
    'wire: takes-and-frees silent one-way cut-reply cut late connections',
    'nodes: one-silent one-refused tie',
    'process: clock-ahead clock-behind killed stopped',
  ].flatMap((line) => {
    const [topic, ids] = line.split(': ');
    return ids.split(' ').map((id) => `${topic}/${id}`);
  }),
);
const page = new URL('../docs/peers.md', import.meta.url);
const results = new URL('peers/results.json', import.meta.url);
const suite = fileURLToPath(new URL('peers/peer-suite.mjs', import.meta.url));
const cases = new Map(conformanceCases().map((one) => [one.id, one]));

const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1].split(',') : peers.map(({ id }) => id);
const known = existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : {};
const node22 = join(import.meta.dirname, '../test/node_modules/node-22/bin/node');
const redis = await Promise.all(Array.from({ length: Math.max(...peers.map(({ nodes }) => nodes)) }, () => startRedis({ config: {} })));
const postgres = await startPostgres({ config: {} });
try {
  for (const peer of peers.filter(({ id }) => only.includes(id))) {
    known[peer.id] = await judge(peer);
    writeFileSync(results, `${JSON.stringify(known, null, 2)}\n`);
  }
} finally {
  await Promise.all([...redis, postgres].map((server) => server.close()));
}
writeFileSync(page, pageOf(known));

async function judge(peer) {
  const folder = install(peer);
  const nodes = nodesOf(peer);
  const start = () => {
    const child = fork(suite, {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      execPath: peer.node === 22 ? node22 : process.execPath,
    });
    child.send({ id: peer.id, folder, nodes });
    return child;
  };
  const first = await superviseConformance(peer.id, start, { only: [...ASKED], concurrency: 4 });
  const suspects = first.cases.filter(({ status }) => status === 'failed').map(({ id }) => id);
  console.log(`${peer.id}: ${first.passed} passed, ${suspects.length} to be tried twice more`);
  const again =
    suspects.length === 0 ? [] : (await superviseConformance(peer.id, start, { only: suspects, concurrency: 1, repeat: 2 })).cases;
  const failed = again.filter(({ failures }) => failures === 2).map(({ id, error }) => ({ id, error: briefly(error) }));
  const run = first.cases.filter(({ status }) => status === 'passed' || status === 'failed').length;
  return { package: peer.package, version: peer.version, run, failed };
}

function nodesOf({ store, nodes }) {
  if (store === 'redis') return redis.slice(0, nodes).map(({ port }) => ({ host: '127.0.0.1', port }));
  if (store === 'memory') return [];
  const { username, password, port, pathname } = new URL(postgres.url);
  return [{ host: '127.0.0.1', port: Number(port), user: username, password, database: pathname.slice(1) }];
}

/** Without the names that differ from run to run. */
function briefly(error) {
  return String(error)
    .split('\n')[0]
    .replace(/"?conformance-[0-9a-f-]{36}"?/g, 'the name')
    .slice(0, 200);
}

/** With the same driver for all; nothing of it touches this repository. */
function install(peer) {
  const folder = join(tmpdir(), 'holdfast-peers', `${peer.package.replace(/\W+/g, '-')}-${peer.version}`);
  if (existsSync(join(folder, 'node_modules', peer.package))) return folder;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true }');
  const packages = [`${peer.package}@${peer.version}`, `ioredis@${IOREDIS}`, ...(peer.beside ?? [])];
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
  const hasFailed = (id, one) => found[id].failed.some((failure) => failure.id === one);
  const link = (rule) => `[${rule}](../packages/core/src/conformance/RULES.md#${rule})`;
  const table = (head, rows) => [
    `| ${head.join(' | ')} |`,
    `| ${head.map(() => '---').join(' | ')} |`,
    ...rows.map((row) => `| ${row.join(' | ')} |`),
    '',
  ];
  const failures = tried.flatMap(({ id }) => found[id].failed.map((one) => ({ peer: id, ...one, rule: cases.get(one.id)?.rule.id })));
  return `${[
    '# The suite on the libraries of today',
    '',
    '<!-- Written by scripts/try-peers.mjs from what it saw. Do not edit. -->',
    '',
    `What the [conformance suite](../packages/core/src/conformance/README.md) ${SUITE_VERSION} reports of other lock libraries. Each is installed from npm in the version named here, put`,
    `behind the interface of a backend, and asked for one attempt, one extension and one release at a time, in ${ASKED.size} cases. Waiting, renewal, deadlines and loss are then the`,
    "manager's work, so the cases show what a library does with its store, and not how it waits. A case counts as failed when the case failed each of three times. Libraries for",
    'several servers had four. Run by `node scripts/try-peers.mjs`, on Node 20 (redlock-universal on Node 22, which it needs).',
    '',
    ...table(
      ['library', 'version', 'store', 'cases run', 'failed', 'rules that it breaks'],
      tried.map(({ id, package: name, version, store, nodes, part }) => [
        `\`${name}\`${part === undefined ? '' : `, ${part}`}`,
        version,
        nodes > 1 ? `${nodes} servers of Redis` : store,
        found[id].run,
        found[id].failed.length,
        [...brokenBy(id)].map(link).join(', ') || '-',
      ]),
    ),
    '## What was seen',
    '',
    ...rules.flatMap((rule) => {
      const rows = failures.filter((one) => one.rule === rule.id);
      if (rows.length === 0) return [];
      return [
        `### ${rule.id}`,
        '',
        rule.says,
        '',
        ...table(
          ['library', 'case', 'what was seen'],
          rows.map(({ peer, id, error }) => [peer, `\`${id}\``, error.replaceAll('|', '\\|').replaceAll('<', '&lt;')]),
        ),
      ];
    }),
    '## Known faults, and whether the suite shows them',
    '',
    'Faults of these libraries that were measured on real servers, without the suite.',
    '',
    ...table(
      ['library', 'fault', 'shown by'],
      knownFaults.flatMap(({ of, fault, cases: by, why }) =>
        of
          .filter((id) => found[id] !== undefined)
          .map((id) => {
            const shown = (by ?? []).filter((one) => hasFailed(id, one));
            const answer =
              shown.length > 0 ? shown.map((one) => `\`${one}\``).join(', ') : `not shown: ${why ?? 'the cases for it passed'}`;
            return [id, fault, answer];
          }),
      ),
    ),
  ].join('\n')}`;
}
