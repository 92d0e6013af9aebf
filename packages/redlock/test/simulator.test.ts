import { runMain } from '@holdfast/test/simulation';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Mutant, mutants, unbroken } from './simulator/mutants.js';
import { type Outcome, simulate } from './simulator/simulate.js';

const SEEDS = 6_000;

// Refusals are as many as messages, and nobody reads where they were made.
const { stackTraceLimit } = Error;
beforeAll(() => {
  Error.stackTraceLimit = 0;
});
afterAll(() => {
  Error.stackTraceLimit = stackTraceLimit;
});

/** Seeds from 1 on, until one of them shows a violation. */
async function firstViolation(mutant: Mutant): Promise<Outcome | null> {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const outcome = await simulate(seed, mutant);
    if (outcome.violation !== null) return outcome;
  }
  return null;
}

describe('the protocol over a simulated network', () => {
  it(`keeps every invariant in ${SEEDS} seeds`, { timeout: 300_000 }, async () => {
    // In a process of its own, the one of `pnpm simulate`: it prints the seeds that failed, and how to replay them.
    const main = new URL('../dist-test/simulator/test/simulator/main.js', import.meta.url);
    const { status, output } = await runMain(main, ['--seeds', String(SEEDS)]);
    expect(output).toContain(' 0 violations');
    expect(status).toBe(0);
  });

  it('does the same again with the same seed', async () => {
    for (const seed of [1, 77, 4242]) expect(await simulate(seed)).toEqual(await simulate(seed));
    const broken = mutants.find(({ id }) => id === 'no-quarantine') ?? unbroken;
    const found = await firstViolation(broken);
    expect(found).not.toBeNull();
    const again = await simulate(found?.seed ?? 0, broken);
    expect(again.violation?.message).toBe(found?.violation?.message);
  });

  it.each(mutants)('is seen to be broken without this: $breaks ($id)', { timeout: 300_000 }, async (mutant) => {
    expect(await firstViolation(mutant)).not.toBeNull();
  });
});
