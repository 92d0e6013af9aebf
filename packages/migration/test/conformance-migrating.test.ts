import { type ConformanceHarness, conformanceCases, describeLockManager, runConformanceCase } from '@holdfast/core/conformance';
import { describe, it } from 'vitest';
import { migratingHarness } from './conformance-migrating-harness.js';

// Cases only share the machine: each has stores of its own.
const sideBySide = { describe, it: it.concurrent };

describeLockManager(sideBySide, migratingHarness({ phase: 'both', fair: false, losesReplyOf: 'from' }));

// What one side or the other order of waiters can make different; the rest is the same code as above.
const HOW_HOLDS_BEGIN_AND_END = [
  'outcomes',
  'leases',
  'fencing',
  'waiting',
  'abort',
  'unavailable',
  'aftermath',
  'crash',
  'marks',
  'inspection',
];

describeTopics(migratingHarness({ phase: 'both', fair: true, losesReplyOf: 'to' }), HOW_HOLDS_BEGIN_AND_END);
describeTopics(migratingHarness({ phase: 'from', fair: false, losesReplyOf: 'from' }), [
  'outcomes',
  'fencing',
  'marks',
  'inspection',
  'health',
]);
describeTopics(migratingHarness({ phase: 'to', fair: true, losesReplyOf: 'to' }), ['outcomes', 'fencing', 'marks', 'inspection', 'health']);

function describeTopics(harness: ConformanceHarness, topics: readonly string[]): void {
  describe(`${harness.name} keeps the lock manager's contract`, () => {
    for (const testCase of conformanceCases({ faults: harness.faults })) {
      if (!topics.includes(testCase.topic)) continue;
      it.concurrent(`${testCase.id}: ${testCase.title}`, () => runConformanceCase(harness, testCase), testCase.timeoutMs + 35_000);
    }
  });
}
