import { describe, expect, it } from 'vitest';
import { type FleetOptions, SimulatedFleet } from './simulated-fleet.js';

const SEEDS = 60;

const moves: readonly (readonly [what: string, options: FleetOptions])[] = [
  ['between two stores', { from: 'memory', to: 'memory' }],
  ['to Redlock', { from: 'memory', to: 'redlock' }],
  ['from Redlock', { from: 'redlock', to: 'memory' }],
];

async function violationsOf(options: FleetOptions): Promise<{ readonly violations: readonly string[]; readonly ran: number }> {
  const violations: string[] = [];
  let ran = 0;
  for (let seed = 1; seed <= SEEDS; seed++) {
    // oxlint-disable-next-line no-await-in-loop
    const outcome = await new SimulatedFleet(seed, options).run();
    ran += outcome.ran;
    violations.push(...outcome.violations.map((violation) => `seed ${seed}: ${violation}`));
  }
  return { violations, ran };
}

describe('a fleet that moves while its jobs run, marks are set and wall clocks jump', () => {
  it.each(moves)(
    '%s: runs nothing twice at once, nothing that is done, and nothing twice at most once',
    { timeout: 240_000 },
    async (_, options) => {
      const { violations, ran } = await violationsOf(options);
      expect(violations).toEqual([]);
      expect(ran).toBeGreaterThan(SEEDS);
    },
  );

  it('does not where it leaves out the phase that holds both: that is what the simulation sees', { timeout: 240_000 }, async () => {
    const { violations } = await violationsOf({ from: 'memory', to: 'memory', skipsBoth: true });
    expect(violations.some((violation) => violation.includes('at work'))).toBe(true);
    expect(violations.some((violation) => violation.includes('is done'))).toBe(true);
    expect(violations.some((violation) => violation.includes('was set'))).toBe(true);
  });
});
