import { describe, it } from 'node:test';
import { describeLockManager } from '@holdfast/core/conformance';
import { mapHarness } from './map-harness.js';

// The cases of a topic run side by side, topics one after the other: with more at a time a busy machine keeps short leases from their renewals.
let isTopic = false;

describeLockManager(
  {
    describe: (title, body) => {
      const concurrency = isTopic ? 4 : 1;
      isTopic = true;
      return describe(title, { concurrency }, body);
    },
    it: (title, body, timeout) => it(title, { timeout }, body),
  },
  mapHarness,
);
