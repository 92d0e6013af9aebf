import { conformanceCases, runConformanceCase } from '@holdfast/core/conformance';
import { describe, expect, it } from 'vitest';
import { wiredHarness } from './conformance-harness.js';
import { type AlterText, alteredPool } from './mutants/altered-pool.js';
import { sqlMutants } from './mutants/index.js';
import { usePostgres } from './postgres-harness.js';

const postgres = usePostgres();

function run(caseId: string, strategy: 'advisory' | 'table', alter: AlterText): Promise<void> {
  const testCase = conformanceCases().find(({ id }) => id === caseId);
  if (testCase === undefined) throw new Error(`no such case: ${caseId}`);
  const harness = wiredHarness(
    'PostgreSQL through a pool',
    () => postgres.server,
    async () => [],
    { strategy },
    (connectionString, namespace) => ({ pool: alteredPool(connectionString, namespace, alter) }),
  );
  return runConformanceCase(harness, testCase);
}

describe.each(sqlMutants)('$id, which breaks "$breaks"', ({ strategy, caughtBy, alter }) => {
  it.each(caughtBy)('is noticed by %s', async (caseId) => {
    await run(caseId, strategy, (text) => text);
    let changes = 0;
    const altered = (text: string): string => {
      const changed = alter(text);
      if (changed !== text) changes += 1;
      return changed;
    };
    await expect(run(caseId, strategy, altered)).rejects.toThrow();
    expect(changes).toBeGreaterThan(0);
  });
});
