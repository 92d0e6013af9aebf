import { rm } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { runFromCommandLine } from './command-line.js';
import { runFaults } from './run.js';

/** Long enough for a machine that does other work; a free one needs a fraction. */
const LIMIT_MS = 600_000;

describe('several processes, every primitive, and a nemesis', () => {
  test(
    'on five stores at a time: no grant that the order of all others forbids, and everything is to be had afterwards',
    async () => {
      const report = await runFaults({
        seed: 1,
        backends: ['redis', 'redlock', 'postgres-advisory', 'postgres-table', 'zookeeper'],
        processes: 3,
        callers: 6,
        grants: 10_000,
        rounds: 1,
        most: 2,
        lastsMs: 1,
      });
      expect(report.violations).toEqual([]);
      expect(report.holds.length).toBeGreaterThanOrEqual(10_000);
    },
    LIMIT_MS,
  );

  test(
    'on a store whose keys somebody deletes: the run finds the holders that were there at once',
    async () => {
      const report = await runFaults({
        seed: 1,
        backends: ['redis-emptied'],
        processes: 3,
        callers: 6,
        grants: 1,
        // Each deletes ten times what three processes hold and wait for.
        rounds: 2,
        most: 1,
        lastsMs: 1,
      });
      expect(report.violations.join('\n')).toContain('fits in no order');
      // Kept for people, who do not read what was expected.
      await rm(report.keptIn ?? '');
    },
    LIMIT_MS,
  );
});

test.each([
  ['--seed', 'tomorrow'],
  ['--seed', '0'],
  ['--minutes', '-1'],
  ['--backend', 'paper'],
  ['--history', '/proc/none/history.jsonl'],
  ['--grants', '1.5'],
  ['--unheard-of', '1'],
])('%s %s is refused before anything is started', async (...given) => {
  expect(await runFromCommandLine(given, { log: () => {}, error: () => {} })).toBe(2);
});
