import { describe, expect, it } from 'vitest';
import { RandomRun } from './random-run.js';

// SEED=7 SEEDS=1 replays what failed with seed 7.
const first = Number(process.env['SEED'] ?? 1);
const count = Number(process.env['SEEDS'] ?? 30);

describe.each(['a queue', 'a queue without stamps', 'subscriptions', 'polling'] as const)('random histories with %s', (waiting) => {
  it.each([
    { of: 'managers that are left in peace', faults: false, closes: false },
    { of: 'disturbed managers', faults: true, closes: false },
    { of: 'disturbed managers that are closed', faults: true, closes: true },
  ])('of $of break no promise', async ({ faults, closes }) => {
    const wrong: Record<string, readonly string[]> = {};
    for (let seed = first; seed < first + count; seed += 1) {
      // oxlint-disable-next-line no-await-in-loop
      const found = await new RandomRun(seed, { waiting, faults, closes, steps: 60 }).run();
      if (found.length > 0) wrong[`seed ${seed}`] = found;
    }
    expect(wrong).toEqual({});
  });
});
