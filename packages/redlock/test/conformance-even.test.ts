import { conformanceCases, runConformanceCase } from '@holdfast/core/conformance';
import { describe, it } from 'vitest';
import { wiredHarness } from './conformance-harness.js';
import { useNodes } from './redlock-harness.js';

const nodes = useNodes(4);

describe('Redlock on four nodes, where half of them is no majority', () => {
  const harness = wiredHarness('Redlock on four nodes', nodes, {});
  for (const testCase of conformanceCases({ faults: harness.faults })) {
    if (testCase.topic === 'nodes') it(testCase.id, () => runConformanceCase(harness, testCase), testCase.timeoutMs + 35_000);
  }
});
