import process from 'node:process';
import { serveConformance } from '@holdfast/core/conformance';
import { brokenHarness } from './broken-harness.js';

/** How the backend fails the whole process, each at another name's first attempt. */
const how = process.argv[2];

const harness = brokenHarness((backend) => ({
  attempt(requests, call) {
    // Only where a case asks for several at once, so that most cases pass.
    if (requests.length > 1) {
      if (how === 'exit') process.exit(3);
      if (how === 'hang') for (;;);
      if (how === 'reject') void Promise.reject(new Error('left behind'));
      if (how === 'throw') throw new Error('at once');
    }
    return backend.attempt(requests, call);
  },
}));

await serveConformance(harness);
