import { argv, exit, hrtime } from 'node:process';
import { parseArgs } from 'node:util';
import { mutants, unbroken } from './mutants.js';
import { simulate } from './simulate.js';

// pnpm simulate --store redlock [--seeds N] [--from SEED] [--mutant ID]: as many seeds as asked for; or `--seed S`, which replays one.
const { values } = parseArgs({
  args: argv.slice(2).filter((argument) => argument !== '--'),
  options: {
    seeds: { type: 'string', default: '10000' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    mutant: { type: 'string', default: 'none' },
  },
});
const mutant = [unbroken, ...mutants].find(({ id }) => id === values.mutant);
if (mutant === undefined) {
  console.error(`unknown mutant; known are none, ${mutants.map(({ id }) => id).join(', ')}`);
  exit(2);
}
// Refusals are as many as messages, and nobody reads where they were made.
Error.stackTraceLimit = 0;
const first = Number(values.seed ?? values.from);
const count = values.seed === undefined ? Number(values.seeds) : 1;
const startedAt = hrtime.bigint();
let grants = 0;
let failures = 0;
for (let seed = first; seed < first + count && failures < 10; seed++) {
  const outcome = await simulate(seed, mutant);
  grants += outcome.grants;
  if (outcome.violation !== null) {
    failures += 1;
    console.error(
      `seed ${seed}: ${outcome.violation.message}\n  again: pnpm simulate --store redlock --seed ${seed}${mutant === unbroken ? '' : ` --mutant ${mutant.id}`}`,
    );
  }
}
const seconds = Number(hrtime.bigint() - startedAt) / 1e9;
console.log(`${count} seeds, ${grants} grants, ${failures} violations, ${seconds.toFixed(1)} s`);
exit(failures === 0 ? 0 : 1);
