import { describe, expect, it } from 'vitest';
import { runRandomElection } from './random-election.js';

/** More of them: HOLDFAST_SEEDS=1000. One that failed: HOLDFAST_SEED=17. */
const only = process.env['HOLDFAST_SEED'];
const count = Number(process.env['HOLDFAST_SEEDS'] ?? 8);
const seeds = only === undefined ? Array.from({ length: count }, (_, index) => index + 1) : [Number(only)];

describe('elections under random faults', () => {
  it('have one leader at a time, terms that rise, and a leader again when all works', { timeout: 600_000 }, async () => {
    let terms = 0;
    for (const seed of seeds) {
      const { faults, terms: seen } = await runRandomElection(seed);
      expect({ seed, faults }).toEqual({ seed, faults: [] });
      terms += seen.length;
    }
    // Enough happened for this to mean something.
    expect(terms).toBeGreaterThan(5 * seeds.length);
  });
});
