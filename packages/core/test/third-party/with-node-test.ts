import { describe, it } from 'node:test';
import { describeLockManager } from '@holdfast/core/conformance';
import { mapHarness } from './map-harness.js';

describeLockManager(
  {
    describe: (title, body) => describe(title, { concurrency: 4 }, body),
    it: (title, body, timeout) => it(title, { timeout }, body),
  },
  mapHarness,
);
