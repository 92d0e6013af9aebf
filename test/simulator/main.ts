import { spawnSync } from 'node:child_process';
import { argv, execPath, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { simulateFromCommandLine } from './command-line.js';
import { memoryKind } from './memory/memory-kind.js';

// pnpm simulate [--store memory | redis | table | redlock] and the options of that one's simulator, which lies beside what it simulates.
const packages = new URL('../../../packages/', import.meta.url);
const others: Readonly<Record<string, string>> = {
  redis: 'redis/dist-test/simulator/test/simulator/main.js',
  table: 'postgres/dist-test/simulator/test/simulator/main.js',
  redlock: 'redlock/dist-test/simulator/test/simulator/main.js',
};

const given = argv.slice(2).filter((argument) => argument !== '--');
const at = given.findIndex((option) => /^--store(=|$)/.test(option));
const named = at < 0 ? [] : given.splice(at, given[at] === '--store' ? 2 : 1);
const store = named[1] ?? named[0]?.slice('--store='.length) ?? memoryKind.name;
if (store === memoryKind.name) {
  await simulateFromCommandLine(memoryKind, given);
} else {
  const main = others[store];
  if (main === undefined) {
    console.error(`unknown store; known are ${[memoryKind.name, ...Object.keys(others)].join(', ')}`);
    exit(2);
  }
  exit(spawnSync(execPath, [fileURLToPath(new URL(main, packages)), ...given], { stdio: 'inherit' }).status ?? 1);
}
