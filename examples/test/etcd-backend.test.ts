import { conformanceCases, runConformanceCase } from '@holdfast/core/conformance';
import { afterAll, describe, it } from 'vitest';
import { end, harness } from './etcd-harness.js';

afterAll(end);

/**
 * What a backend and its way to the store decide, of all levels. The rest, which asks the same of the manager on top, is for
 * `holdfast conformance --harness examples/dist/test/etcd-harness.js`.
 */
const topics: readonly string[] = ['backend', 'wire', 'late', 'unavailable', 'crash'];
const cases = conformanceCases({ faults: harness.faults }).filter(({ topic }) => topics.includes(topic));

describe('a backend of etcd keeps what the conformance suite asks of a backend and of its way to the store', () => {
  for (const testCase of cases) {
    it.concurrent(`${testCase.id}: ${testCase.title}`, () => runConformanceCase(harness, testCase), testCase.timeoutMs + 35_000);
  }
});
