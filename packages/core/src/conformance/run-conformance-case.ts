import assert from 'node:assert/strict';
import { observeBackend } from '../backend/index.js';
import type { Capabilities, LockManager, ManagerOptions } from '../index.js';
import { ConformanceError } from './case-failure.js';
import { CaseHistory } from './case-history.js';
import type { ConformanceCase, World } from './conformance-case.js';
import { within } from './expectations.js';
import type { ConformanceFaults, ConformanceHarness, ConformanceSetup } from './harness.js';
import { checkOpposite } from './opposite.js';

// A harness that cannot clean up must not hang the run either.
const CLOSE_TIMEOUT_MS = 15_000;

/** How a case ended that did not fail. */
export type CaseOutcome =
  | { readonly status: 'passed'; readonly capabilities: Capabilities; readonly backend: string }
  /** The backend or its harness cannot do what the case is about. `reason` says what; that the backend says so was checked. */
  | { readonly status: 'not-applicable'; readonly reason: string; readonly capabilities: Capabilities; readonly backend: string };

/**
 * Runs one case on one backend: sets up, runs the case (or, where the backend lacks a capability that it needs, checks
 * that the backend says so), and closes everything.
 *
 * @throws ConformanceError what went wrong first, with the rule, why it matters, where to look, and what the store was asked
 */
export async function runConformanceCase(harness: ConformanceHarness, testCase: ConformanceCase): Promise<void> {
  await conductCase(harness, testCase);
}

/** The same, and how it ended. */
export async function conductCase(harness: ConformanceHarness, testCase: ConformanceCase): Promise<CaseOutcome> {
  const history = new CaseHistory();
  try {
    return await runWatched(harness, testCase, history);
  } catch (error) {
    throw new ConformanceError(testCase, error, history.lines());
  } finally {
    history.end();
  }
}

async function runWatched(harness: ConformanceHarness, testCase: ConformanceCase, history: CaseHistory): Promise<CaseOutcome> {
  // A harness in plain JavaScript may throw at once.
  const opening = new Promise<ConformanceSetup>((resolve) => resolve(harness.setup(testCase.options)));
  const setup = await within('setup()', opening, testCase.timeoutMs);
  const { capabilities } = setup.manager;
  let failure: { readonly error: unknown } | undefined;
  let lacking: string | undefined;
  try {
    checkFaults(harness, setup);
    const need = testCase.needs.find((capability) => !capabilities[capability]);
    if (need !== undefined) lacking = `the backend has no ${need}`;
    const running = need === undefined ? testCase.run(openWorld(setup, history)) : checkOpposite(need, setup.manager);
    await within(`the case ${testCase.id}`, running, testCase.timeoutMs);
  } catch (error) {
    failure = { error };
  }
  try {
    await within('close() of the setup', Promise.resolve(setup.close()), CLOSE_TIMEOUT_MS);
  } catch (error) {
    failure ??= { error };
  }
  if (failure !== undefined) throw failure.error;
  const known = { capabilities: { ...capabilities }, backend: setup.manager.backend };
  return lacking === undefined ? { status: 'passed', ...known } : { status: 'not-applicable', reason: lacking, ...known };
}

function openWorld(setup: ConformanceSetup, history: CaseHistory): World {
  const faults = (setup.faults ?? {}) as Required<ConformanceFaults>;
  return {
    manager: setup.manager,
    peer: async (options?: ManagerOptions): Promise<LockManager> => setup.peer(options),
    faults: setup.faults?.openBackend === undefined ? faults : observed(faults),
    // Nothing is ever flushed, so that a suite may run on a store that is in use: names do not repeat.
    name: (suffix = '') => history.own(`conformance-${crypto.randomUUID()}${suffix}`),
  };
}

/** What a case asks of a bare backend belongs to its history too. */
function observed(faults: Required<ConformanceFaults>): Required<ConformanceFaults> {
  return new Proxy(faults, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (property === 'openBackend') return async () => observeBackend(await target.openBackend());
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** What a harness says it can do and what it does must agree, else cases would be skipped in silence. */
function checkFaults(harness: ConformanceHarness, setup: ConformanceSetup): void {
  const declared = new Set<string>(harness.faults ?? []);
  const offered = Object.entries(setup.faults ?? {}).flatMap(([name, fault]) => (fault === undefined ? [] : [name]));
  for (const name of offered) assert.ok(declared.has(name), `setup() offers the fault ${name}; name it in the harness's faults`);
  for (const name of declared) assert.ok(offered.includes(name), `setup() does not offer the fault ${name} that the harness names`);
}
