import { spawnSync } from 'node:child_process';
import { argv, execPath, exit } from 'node:process';
import { fileURLToPath } from 'node:url';
import { simulateFromCommandLine } from './command-line.js';
import { memoryKind } from './memory/memory-kind.js';
import { readSimulateCommand, usageOf } from './simulate-command.js';

// pnpm simulate: the simulator of the memory store is here, each other one lies beside what it simulates.
const packages = new URL('../../../packages/', import.meta.url);
const others: Readonly<Record<string, string>> = {
  redis: 'redis/dist-test/simulator/test/simulator/main.js',
  table: 'postgres/dist-test/simulator/test/simulator/main.js',
  redlock: 'redlock/dist-test/simulator/test/simulator/main.js',
};
const stores = [memoryKind.name, ...Object.keys(others)];

const command = readSimulateCommand(argv.slice(2), stores);
if (command === 'help') {
  console.log(usageOf(stores));
  exit(0);
}
if ('wrong' in command) {
  console.error(`${command.wrong}\nTry --help.`);
  exit(2);
}
const main = others[command.store];
if (main === undefined) await simulateFromCommandLine(memoryKind, command.options);
else exit(spawnSync(execPath, [fileURLToPath(new URL(main, packages)), ...command.options], { stdio: 'inherit' }).status ?? 1);
