import { spawnSync } from 'node:child_process';
import { argv, execPath, exit, hrtime } from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { mutants } from './mutants.js';
import { type StoreName, unbroken } from './mutant.js';
import { scenarioOf } from './scenario.js';
import { shrink } from './shrink.js';
import { play } from './simulate.js';
import { stores } from './stores.js';

// pnpm simulate [--store NAME] [--seeds N] [--from SEED] [--mutant ID]: as many seeds as asked for; or `--seed S`, which replays one
// and prints its history, made as small as it can be (`--whole`: as it is). `--expires yes` or `no`: only networks whose requests do or
// do not expire. Redlock has a simulator of its own.
const given = argv.slice(2).filter((argument) => argument !== '--');
const { values } = parseArgs({
  args: given,
  options: {
    store: { type: 'string', default: 'memory' },
    seeds: { type: 'string', default: '10000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    mutant: { type: 'string', default: 'none' },
    expires: { type: 'string', default: 'either' },
    whole: { type: 'boolean', default: false },
  },
});

if (values.store === 'redlock') {
  const main = fileURLToPath(new URL('../../../packages/redlock/dist-test/simulator/test/simulator/main.js', import.meta.url));
  const at = given.findIndex((argument) => argument.startsWith('--store'));
  const rest = given.toSpliced(at, given[at]?.includes('=') === true ? 1 : 2);
  exit(spawnSync(execPath, [main, ...rest], { stdio: 'inherit' }).status ?? 1);
}
const names = Object.keys(stores) as StoreName[];
const store = names.find((name) => name === values.store);
if (store === undefined) refuse(`unknown store; known are ${names.join(', ')}, redlock`);
const mutant = [unbroken(store), ...mutants].find(({ id, store: its }) => id === values.mutant && its === store);
if (mutant === undefined)
  refuse(
    `unknown mutant; known are none, ${mutants
      .filter((one) => one.store === store)
      .map(({ id }) => id)
      .join(', ')}`,
  );

const traits = values.expires === 'either' ? stores[store].traits : { ...stores[store].traits, expires: values.expires === 'yes' };

// Refusals are as many as messages, and nobody reads where they were made.
Error.stackTraceLimit = 0;
const again = `pnpm simulate --store ${store}${values.expires === 'either' ? '' : ` --expires ${values.expires}`}${values.mutant === 'none' ? '' : ` --mutant ${values.mutant}`} --seed`;

if (values.seed !== undefined) {
  const whole = scenarioOf(Number(values.seed), traits);
  const found = await play(whole, mutant, true);
  const { violation } = found;
  const shown = violation === null || values.whole ? found : await play(await shrink(whole, mutant, violation.rule), mutant, true);
  console.log(shown.history.join('\n'));
  console.log(
    violation === null ? 'no violation' : `${violation.message}${shown === found ? '' : `\nmade small: ${shown.violation?.message}`}`,
  );
  exit(violation === null ? 0 : 1);
}

const first = Number(values.from);
const count = Number(values.seeds);
const startedAt = hrtime.bigint();
let grants = 0;
const failures = new Map<string, number>();
let failed = 0;
for (let seed = first; seed < first + count; seed++) {
  const { violation, grants: more } = await play(scenarioOf(seed, traits), mutant);
  grants += more;
  if (violation === null) continue;
  failed += 1;
  const before = failures.get(violation.rule) ?? 0;
  failures.set(violation.rule, before + 1);
  if (before < 5) console.error(`seed ${seed}: ${violation.message}\n  again: ${again} ${seed}`);
}
const seconds = Number(hrtime.bigint() - startedAt) / 1e9;
for (const [rule, times] of failures) console.error(`${rule}: ${times} seeds`);
console.log(
  `${store}: ${count} seeds, ${grants} grants, ${failed} violations, ${seconds.toFixed(1)} s, ${(count / seconds).toFixed(0)} seeds a second`,
);
exit(failed === 0 ? 0 : 1);

function refuse(message: string): never {
  console.error(message);
  exit(2);
}
