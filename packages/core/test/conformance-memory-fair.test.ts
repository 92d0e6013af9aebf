import { conformanceCases, describeLockManager, runConformanceCase } from '@holdfast/core/conformance';
import { describe, it } from 'vitest';
import { memoryHarness } from './conformance-memory-harness.js';

// Cases only share the machine: each has a store of its own.
describeLockManager(
  { describe, it: it.concurrent },
  memoryHarness({ name: 'the memory backend with a fair queue', fair: true, faultsBy: 'store' }),
);

const gated = memoryHarness({ name: 'the memory backend with a fair queue, behind a gate', fair: true, faultsBy: 'gate' });

// Where nothing disturbs the store, the gate is open: the same code as above.
describe(gated.name, () => {
  for (const testCase of conformanceCases({ faults: gated.faults })) {
    if (testCase.faults.length === 0) continue;
    it.concurrent(`${testCase.id}: ${testCase.title}`, () => runConformanceCase(gated, testCase), testCase.timeoutMs + 35_000);
  }
});
