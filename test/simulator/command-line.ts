import { exit, hrtime } from 'node:process';
import { parseArgs } from 'node:util';
import { type Mutant, unbroken } from './mutant.js';
import { scenarioOf } from './scenario.js';
import { shrink } from './shrink.js';
import { play } from './simulate.js';
import type { StoreKind } from './store.js';

/** More violations of one rule than these are only counted. */
const MOST_SHOWN = 5;

/**
 * What `pnpm simulate` does for one store: `[--seeds N] [--from SEED] [--mutant ID]` runs as many seeds as asked for; `--seed S` replays
 * one and prints its history, made as small as it can be (`--whole`: as it is). `--expires yes` or `no`: only networks whose requests do
 * or do not expire.
 */
export async function simulateFromCommandLine<M extends Mutant>(kind: StoreKind<M>, given: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...given],
    options: {
      store: { type: 'string', default: kind.name },
      seeds: { type: 'string', default: '10000' },
      from: { type: 'string', default: '1' },
      seed: { type: 'string' },
      mutant: { type: 'string', default: unbroken.id },
      expires: { type: 'string', default: 'either' },
      whole: { type: 'boolean', default: false },
      mutants: { type: 'boolean', default: false },
    },
  });
  const mutant = [unbroken as M, ...kind.mutants].find(({ id }) => id === values.mutant);
  if (mutant === undefined) {
    console.error(`unknown mutant; known are none, ${kind.mutants.map(({ id }) => id).join(', ')}`);
    exit(2);
  }
  // Refusals are as many as messages, and nobody reads where they were made.
  Error.stackTraceLimit = 0;
  const traits = values.expires === 'either' ? kind.traits : { ...kind.traits, expires: values.expires === 'yes' };
  const run = { kind: { ...kind, traits }, mutant };
  const options = given.filter(
    (option, index) => /^--(mutant|expires)/.test(option) || /^--(mutant|expires)$/.test(given[index - 1] ?? ''),
  );
  if (values.mutants) await catchMutants(run.kind, Number(values.seeds));
  if (values.seed !== undefined) await replay(run, Number(values.seed), values.whole);
  else await runSeeds(run, Number(values.from), Number(values.seeds), `pnpm simulate --store ${[kind.name, ...options].join(' ')} --seed`);
}

interface Run<M extends Mutant> {
  readonly kind: StoreKind<M>;
  readonly mutant: M;
}

async function replay<M extends Mutant>({ kind, mutant }: Run<M>, seed: number, isWhole: boolean): Promise<void> {
  const whole = scenarioOf(seed, kind.traits);
  const found = await play(kind, whole, mutant, true);
  const { violation } = found;
  if (violation === null || isWhole) {
    console.log([...found.history, violation?.message ?? 'no violation'].join('\n'));
  } else {
    const small = await play(kind, await shrink(kind, whole, mutant, violation.rule), mutant, true);
    console.log([...small.history, violation.message, `made small: ${small.violation?.message}`].join('\n'));
  }
  exit(violation === null ? 0 : 1);
}

async function runSeeds<M extends Mutant>({ kind, mutant }: Run<M>, first: number, count: number, again: string): Promise<void> {
  const startedAt = hrtime.bigint();
  const failures = new Map<string, number>();
  let [grants, failed] = [0, 0];
  for (let seed = first; seed < first + count; seed++) {
    // oxlint-disable-next-line no-await-in-loop
    const outcome = await play(kind, scenarioOf(seed, kind.traits), mutant);
    grants += outcome.grants;
    if (outcome.violation === null) continue;
    const { rule, message } = outcome.violation;
    failed += 1;
    failures.set(rule, (failures.get(rule) ?? 0) + 1);
    if ((failures.get(rule) ?? 0) <= MOST_SHOWN) console.error(`seed ${seed}: ${message}\n  again: ${again} ${seed}`);
  }
  const seconds = Number(hrtime.bigint() - startedAt) / 1e9;
  for (const [rule, times] of failures) console.error(`${rule}: ${times} seeds`);
  const speed = (count / seconds).toFixed(0);
  console.log(`${kind.name}: ${count} seeds, ${grants} grants, ${failed} violations, ${seconds.toFixed(1)} s, ${speed} seeds a second`);
  exit(failed === 0 ? 0 : 1);
}

/** Each mutant must break its rule in one of the seeds. */
async function catchMutants<M extends Mutant>(kind: StoreKind<M>, most: number): Promise<void> {
  let escaped = 0;
  for (const mutant of kind.mutants) {
    // oxlint-disable-next-line no-await-in-loop
    const seed = await firstViolation(kind, mutant, most);
    if (seed === null) escaped += 1;
    const found = seed === null ? `not caught in ${most} seeds` : `${mutant.rule} at seed ${seed}`;
    console.log(`${mutant.id} (${mutant.breaks}): ${found}`);
  }
  console.log(`${kind.name}: ${kind.mutants.length} mutants, ${escaped} not caught`);
  exit(escaped === 0 ? 0 : 1);
}

async function firstViolation<M extends Mutant>(kind: StoreKind<M>, mutant: M, most: number): Promise<number | null> {
  for (let seed = 1; seed <= most; seed++) {
    // oxlint-disable-next-line no-await-in-loop
    const { violation } = await play(kind, scenarioOf(seed, kind.traits), mutant);
    if (violation?.rule === mutant.rule) return seed;
  }
  return null;
}
