import { runMain } from '@holdfast/test/simulation';
import { describe, expect, it } from 'vitest';

const SEEDS = 75_000;
const main = new URL('./dist/simulator/main.js', import.meta.url);

describe('whole managers over the memory store behind a network', () => {
  it(`keep every invariant in ${SEEDS} seeds`, { timeout: 1_200_000 }, async () => {
    // A half on each core. Each prints the seeds that failed, and how to replay them; and how long it took.
    const half = SEEDS / 2;
    const halves = [1, 1 + half].map((from) => runMain(main, ['--seeds', String(half), '--from', String(from)]));
    for (const { status, output } of await Promise.all(halves)) {
      expect(output).toContain(' 0 violations');
      expect(status).toBe(0);
      process.stdout.write(output);
    }
  });

  it('do the same again with the same seed', { timeout: 60_000 }, async () => {
    for (const seed of ['7', '77', '4242']) {
      const [once, twice] = [await runMain(main, ['--seed', seed, '--whole']), await runMain(main, ['--seed', seed, '--whole'])];
      expect(once.output).toContain('HAS ');
      expect(twice).toEqual(once);
    }
  });

  it('are seen to be broken by every mutant', { timeout: 1_200_000 }, async () => {
    const { status, output } = await runMain(main, ['--mutants']);
    expect(output).toContain(' 0 not caught');
    expect(status).toBe(0);
  });
});
