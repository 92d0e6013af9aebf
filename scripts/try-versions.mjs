// Runs the packages' tests on servers of other Debian releases, and prints what passed: node scripts/try-versions.mjs [NAME ...]
// Or any command with one of these servers first on its PATH: node scripts/try-versions.mjs --run NAME COMMAND [ARGUMENT ...]
// The servers come from the mirror that apt knows, unpacked beside their own C library into a directory of their own: nothing is installed.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

const postgres = (major) => ({
  packages: [`postgresql-${major}`],
  tests: ['packages/postgres'],
  // initdb starts the postgres beside it, so the programs that start by their own library stand where it looks.
  bin: `usr/lib/postgresql/${major}/bin`,
  programs: { postgres: 'postgres', initdb: 'initdb', pg_basebackup: 'pg_basebackup', pg_controldata: 'pg_controldata' },
  version: ['postgres', '--version'],
});
const redisLike = (name) => ({
  packages: [`${name}-server`, `${name}-tools`],
  tests: ['packages/redis', 'packages/redlock'],
  from: 'usr/bin',
  programs: { 'redis-server': `${name}-server`, 'redis-cli': `${name}-cli` },
  version: ['redis-server', '--version'],
});
const KINDS = {
  'redis-8.0': { release: 'trixie', ...redisLike('redis') },
  'valkey-8.1': { release: 'trixie', ...redisLike('valkey') },
  'postgres-13': { release: 'bullseye', ...postgres(13) },
  'postgres-17': { release: 'trixie', ...postgres(17) },
  // Java is this machine's.
  'zookeeper-3.9': {
    release: 'trixie',
    packages: ['zookeeper'],
    tests: ['packages/zookeeper'],
    from: 'usr/share/zookeeper/bin',
    programs: {},
    jars: 'usr/share/java',
  },
};

const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';
// Models and simulators, which take long and meet no server.
const WITHOUT_SERVERS = ['simulator', 'model'].flatMap((name) => ['--exclude', `**/${name}.test.ts`]);
// Where the user postgres, as whom its server runs, can read it.
const cache = process.env['HOLDFAST_VERSIONS_DIRECTORY'] ?? join(tmpdir(), 'holdfast-versions');
const isCommand = process.argv[2] === '--run';
const command = isCommand ? process.argv.slice(4) : [];
if (isCommand && command.length === 0) fail('--run wants the name of a server and a command.');
const chosen = isCommand ? process.argv.slice(3, 4) : process.argv.length > 2 ? process.argv.slice(2) : Object.keys(KINDS);
const unknown = chosen.filter((name) => !(name in KINDS));
if (unknown.length > 0) fail(`There is no ${unknown.join(', ')}; there are ${Object.keys(KINDS).join(', ')}.`);
makeCache();

process.exitCode = isCommand ? runWith(chosen[0], command) : tryAll();

function tryAll() {
  const rows = chosen.map((name) => tryOne(name, KINDS[name]));
  console.log('\n| server | tests | passed | failed |\n| --- | --- | --- | --- |');
  for (const { version, tests, passed, failed } of rows) console.log(`| ${version} | ${tests} | ${passed} | ${failed} |`);
  return rows.every(({ failed }) => failed === 0) ? 0 : 1;
}

/** @returns the exit code of the command */
function runWith(name, [program, ...args]) {
  const { env } = prepared(name, KINDS[name]);
  const { status, error } = spawnSync(program, args, { env, stdio: 'inherit' });
  if (error) fail(`${program} could not be started: ${error.message}`);
  return status ?? 1;
}

/** The folder of a server, and the environment in which it is found first. */
function prepared(name, kind) {
  const folder = join(cache, name);
  if (!existsSync(join(folder, 'ready'))) prepare(folder, kind);
  const env = { ...process.env, PATH: `${binOf(folder, kind)}:${process.env['PATH']}`, HOLDFAST_TEST_SERVERS: 'binary' };
  return { folder, env };
}

function tryOne(name, kind) {
  const { folder, env } = prepared(name, kind);
  const version = versionOf(folder, kind, env);
  const report = join(folder, 'report.json');
  rmSync(report, { force: true });
  console.error(`\n${version}: ${kind.tests.join(', ')}`);
  spawnSync('npx', ['vitest', 'run', ...kind.tests.map((path) => `${path}/`), ...WITHOUT_SERVERS], {
    env: { ...env, HOLDFAST_TEST_REPORT: report },
    stdio: ['ignore', 2, 2],
  });
  const counted = existsSync(report)
    ? execFileSync('node', ['scripts/count-tests.mjs', report], { encoding: 'utf8' })
    : '0 passed, 1 failed';
  const [passed, failed] = counted.match(/\d+/g).map(Number);
  return { version, tests: kind.tests.join(', '), passed, failed };
}

/** Downloads and unpacks. */
function prepare(folder, { release, packages, from, bin, programs, jars }) {
  rmSync(folder, { recursive: true, force: true });
  const root = join(folder, 'root');
  mkdirSync(root, { recursive: true });
  const archives = download(release, packages, join(folder, 'archives'));
  for (const archive of archives) run('dpkg-deb', ['-x', archive, root]);
  rmSync(join(folder, 'archives'), { recursive: true });
  const loader = findLoader(root);
  const libraries = ['lib', 'usr/lib'].flatMap((path) => [join(root, path, triplet()), join(root, path)]).filter(existsSync);
  mkdirSync(join(folder, 'bin'), { recursive: true });
  for (const [name, original] of Object.entries(programs)) {
    const wrapper = from === undefined ? join(root, bin, name) : join(folder, 'bin', name);
    let program = join(root, from ?? bin, original);
    if (program === wrapper) {
      program = `${wrapper}.unpacked`;
      renameSync(wrapper, program);
    }
    writeFileSync(wrapper, `#!/bin/sh\nexec '${loader}' --library-path '${libraries.join(':')}' '${program}' "$@"\n`);
    chmodSync(wrapper, 0o755);
  }
  if (jars !== undefined) layOutZooKeeper(folder, join(root, jars), join(root, from));
  writeFileSync(join(folder, 'ready'), '');
}

/** As its own distribution is laid out. Debian's jar names the jars that it needs, where they are once they are installed. */
function layOutZooKeeper(folder, jars, scripts) {
  mkdirSync(join(folder, 'lib'));
  copyFileSync(join(scripts, 'zkServer.sh'), join(folder, 'bin/zkServer.sh'));
  copyFileSync(join(jars, 'zookeeper.jar'), join(folder, 'zookeeper.jar'));
  const manifest = run('unzip', ['-p', join(folder, 'zookeeper.jar'), 'META-INF/MANIFEST.MF']).replaceAll(/\r?\n /g, '');
  const needed = /^Class-Path: (.*)$/m.exec(manifest)[1].trim().split(' ');
  for (const path of [...needed, 'slf4j-simple.jar']) {
    const jar = join(jars, basename(path));
    if (existsSync(jar)) symlinkSync(jar, join(folder, 'lib', basename(path)));
  }
}

/** All that the packages need, the C library included: by an apt of its own, for which nothing is installed. */
function download(release, packages, archives) {
  const apt = join(cache, `apt-${release}`);
  for (const path of [join(apt, 'lists/partial'), join(archives, 'partial')]) mkdirSync(path, { recursive: true });
  writeFileSync(join(apt, 'status'), '');
  writeFileSync(join(apt, 'sources.list'), `deb [signed-by=${KEYRING}] ${mirror()} ${release} main\n`);
  const options = Object.entries({
    'Dir::Etc::SourceList': join(apt, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State::Lists': join(apt, 'lists'),
    'Dir::State::Status': join(apt, 'status'),
    'Dir::Cache': apt,
    'Dir::Cache::Archives': archives,
    'APT::Sandbox::User': 'root',
  }).flatMap(([name, value]) => ['-o', `${name}=${value}`]);
  run('apt-get', [...options, '-q', 'update']);
  run('apt-get', [...options, '-q', '-y', '--no-install-recommends', '--download-only', 'install', ...packages]);
  return readdirSync(archives).flatMap((name) => (name.endsWith('.deb') ? [join(archives, name)] : []));
}

/** The one from which this machine's own Debian comes. */
function mirror() {
  const uris = run('apt-get', ['indextargets', '--format', '$(REPO_URI)', 'Created-By: Packages', 'Origin: Debian', 'Label: Debian']);
  const [uri] = uris.split('\n');
  if (!uri) fail('apt knows no mirror of Debian: this script needs a Debian on which apt-get update has run.');
  return uri;
}

function triplet() {
  return `${{ x64: 'x86_64', arm64: 'aarch64' }[process.arch]}-linux-gnu`;
}

/** Links may lead out of what was unpacked, to a file that this machine lacks. */
function findLoader(root) {
  const paths = readdirSync(root, { recursive: true }).map((name) => join(root, name));
  const loader = paths.find((path) => /\/ld-linux[^/]*\.so\.\d+$/.test(path) && realpath(path)?.startsWith(root));
  if (loader === undefined) fail(`There is no loader of programs below ${root}.`);
  return loader;
}

function realpath(path) {
  return existsSync(path) ? realpathSync(path) : null;
}

function binOf(folder, { from, bin }) {
  return from === undefined ? join(folder, 'root', bin) : join(folder, 'bin');
}

function versionOf(folder, { version }, env) {
  if (version !== undefined) return run(version[0], version.slice(1), { env }).trim();
  const jar = readdirSync(join(folder, 'root/usr/share/java')).find((name) => /^zookeeper-\d/.test(name)) ?? 'zookeeper';
  return `ZooKeeper ${jar.replace(/^zookeeper-|\.jar$/g, '')}`;
}

function makeCache() {
  mkdirSync(cache, { recursive: true, mode: 0o755 });
  if (statSync(cache).uid !== process.getuid()) fail(`${cache} belongs to somebody else.`);
}

function run(program, args, options = {}) {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'], maxBuffer: 1 << 26, ...options });
}

function fail(text) {
  console.error(text);
  process.exit(2);
}
