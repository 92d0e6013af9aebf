import { conformanceCases, runConformanceCase } from '@holdfast/core/conformance';
import { describe, it } from 'vitest';
import { memoryHarness } from './conformance-memory-harness.js';

// What no other harness of the memory backend can do; the other cases say nothing new of it here.
const cases = conformanceCases().filter(({ faults }) => faults.includes('deliverLate'));

describe.each([true, false])('the memory backend over a way on which requests can be late, fair: %s', (fair) => {
  it.concurrent.each(cases)(
    '$id: $title',
    (testCase) => runConformanceCase(memoryHarness({ name: 'late', fair, late: true }), testCase),
    30_000,
  );
});
