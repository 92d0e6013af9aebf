import { expect, it } from 'vitest';
import { measurePermitFlow } from './simulator/permit-flow.js';

const SEEDS = [1, 2, 3];

it.each([
  // By votes alone, without passing permits on, 0.1 and 1.1.
  { delayMs: [0, 3], sectionMs: 1, least: 1.2 },
  { delayMs: [0.1, 0.4], sectionMs: 10, least: 1.8 },
] as const)(
  '12 tasks on 4 managers have at least $least of 2 permits (messages take $delayMs ms, sections $sectionMs ms)',
  { timeout: 60_000 },
  async ({ delayMs, sectionMs, least }) => {
    let sum = 0;
    for (const seed of SEEDS) {
      // oxlint-disable-next-line no-await-in-loop
      const { inUse, most, longestWaitMs } = await measurePermitFlow(seed, { delayMs, sectionMs, permits: 2 });
      sum += inUse;
      expect(most).toBeLessThanOrEqual(2);
      // Turns end: no manager keeps the permits to itself.
      expect(longestWaitMs).toBeLessThan(1500);
    }
    expect(sum / SEEDS.length).toBeGreaterThan(least);
  },
);
