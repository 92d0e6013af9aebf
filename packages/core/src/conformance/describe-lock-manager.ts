import { groupBy } from '../backend/index.js';
import { allCases } from './cases/index.js';
import type { ConformanceCase } from './conformance-case.js';
import type { ConformanceHarness, FaultName, TestRunner } from './harness.js';
import { runConformanceCase } from './run-conformance-case.js';

// Setting up and closing have deadlines of their own, so the runner's comes last and never cuts a cleanup short.
const AROUND_A_CASE_MS = 35_000;

/**
 * Registers the conformance suite with a test runner: one `describe` for the backend, one for each topic, one `it` for
 * each case. Each case sets up and closes its own manager and uses names that nobody else has, so cases may run in any
 * order, and side by side where the harness's faults allow it.
 */
export function describeLockManager(runner: TestRunner, harness: ConformanceHarness): void {
  runner.describe(`${harness.name} keeps the lock manager's contract`, () => {
    for (const [topic, cases] of groupBy(conformanceCases({ faults: harness.faults }), ({ topic: each }) => each)) {
      runner.describe(topic, () => {
        for (const testCase of cases) {
          runner.it(
            `${testCase.id}: ${testCase.title}`,
            () => runConformanceCase(harness, testCase),
            testCase.timeoutMs + AROUND_A_CASE_MS,
          );
        }
      });
    }
  });
}

/** The cases as plain data: all that a harness with these faults can run; without `faults`, all there are. */
export function conformanceCases(filter?: { readonly faults?: readonly FaultName[] | undefined }): readonly ConformanceCase[] {
  if (filter === undefined) return allCases;
  const faults = new Set(filter.faults ?? []);
  return allCases.filter((testCase) => testCase.faults.every((fault) => faults.has(fault)));
}
