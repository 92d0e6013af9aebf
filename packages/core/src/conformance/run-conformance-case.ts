import assert from 'node:assert/strict';
import type { LockManager, ManagerOptions } from '../index.js';
import type { ConformanceCase, World } from './conformance-case.js';
import { within } from './expectations.js';
import type { ConformanceFaults, ConformanceHarness, ConformanceSetup } from './harness.js';
import { checkOpposite } from './opposite.js';

// A harness that cannot clean up must not hang the run either.
const CLOSE_TIMEOUT_MS = 15_000;

/**
 * Runs one case on one backend: sets up, runs the case (or, where the backend lacks a capability that it needs, checks
 * that the backend says so), and closes everything. Rejects with what went wrong first.
 */
export async function runConformanceCase(harness: ConformanceHarness, testCase: ConformanceCase): Promise<void> {
  const setup = await within('setup()', Promise.resolve(harness.setup(testCase.options)), testCase.timeoutMs);
  let failure: { readonly error: unknown } | undefined;
  try {
    checkFaults(harness, setup);
    const lacking = testCase.needs.find((capability) => !setup.manager.capabilities[capability]);
    const running = lacking === undefined ? testCase.run(openWorld(setup)) : checkOpposite(lacking, setup.manager);
    await within(`the case ${testCase.id}`, running, testCase.timeoutMs);
  } catch (error) {
    failure = { error };
  }
  try {
    await within('close() of the setup', setup.close(), CLOSE_TIMEOUT_MS);
  } catch (error) {
    failure ??= { error };
  }
  if (failure !== undefined) throw failure.error;
}

function openWorld(setup: ConformanceSetup): World {
  return {
    manager: setup.manager,
    peer: async (options?: ManagerOptions): Promise<LockManager> => setup.peer(options),
    faults: (setup.faults ?? {}) as Required<ConformanceFaults>,
    // Nothing is ever flushed, so that a suite may run on a store that is in use: names do not repeat.
    name: (suffix = '') => `conformance-${crypto.randomUUID()}${suffix}`,
  };
}

/** What a harness says it can do and what it does must agree, else cases would be skipped in silence. */
function checkFaults(harness: ConformanceHarness, setup: ConformanceSetup): void {
  const declared = new Set<string>(harness.faults ?? []);
  const offered = Object.entries(setup.faults ?? {}).flatMap(([name, fault]) => (fault === undefined ? [] : [name]));
  for (const name of offered) assert.ok(declared.has(name), `setup() offers the fault ${name}; name it in the harness's faults`);
  for (const name of declared) assert.ok(offered.includes(name), `setup() does not offer the fault ${name} that the harness names`);
}
