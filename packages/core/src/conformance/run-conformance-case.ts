import assert from 'node:assert/strict';
import { observeBackend } from '../backend/index.js';
import type { Capabilities, LockManager, ManagerOptions } from '../index.js';
import { ConformanceError } from './case-failure.js';
import { CaseHistory } from './case-history.js';
import type { ConformanceCase } from './conformance-case.js';
import { within } from './expectations.js';
import type { ConformanceFaults, ConformanceHarness, ConformanceSetup, FaultName, SetupOptions, Via } from './harness.js';
import { checkOpposite } from './opposite.js';
import { CaseWire, WIRE_FAULTS } from './wire/case-wire.js';

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
  const wiring = new CaseWire(testCase.needsWire || missingFaults(harness, testCase).length > 0);
  try {
    return await runWired(harness, testCase, history, wiring);
  } finally {
    await wiring.close();
  }
}

async function runWired(
  harness: ConformanceHarness,
  testCase: ConformanceCase,
  history: CaseHistory,
  wiring: CaseWire,
): Promise<CaseOutcome> {
  // A harness in plain JavaScript may throw at once.
  const opening = new Promise<ConformanceSetup>((resolve) =>
    resolve(wiring.opening(wiring.manager, () => harness.setup(withVia(testCase.options, wiring.via)))),
  );
  const setup = await within('setup()', opening, testCase.timeoutMs);
  const { capabilities } = setup.manager;
  let failure: { readonly error: unknown } | undefined;
  let lacking: string | undefined;
  try {
    checkFaults(harness, setup, wiring);
    const need = testCase.needs.find((capability) => !capabilities[capability]);
    const isUnwired = testCase.needsWire && !wiring.isUsed;
    if (need !== undefined) lacking = `the backend has no ${need}`;
    else if (isUnwired) lacking = 'the harness reaches its store without via';
    if (need !== undefined || !isUnwired) {
      const running = need === undefined ? runInWorld(testCase, setup, history, wiring) : checkOpposite(need, setup.manager);
      await within(`the case ${testCase.id}`, running, testCase.timeoutMs);
    }
  } catch (error) {
    failure = { error };
  }
  await wiring.restore();
  try {
    await within('close() of the setup', Promise.resolve(setup.close()), CLOSE_TIMEOUT_MS);
  } catch (error) {
    failure ??= { error };
  }
  if (failure !== undefined) throw failure.error;
  const known = { capabilities: { ...capabilities }, backend: setup.manager.backend };
  return lacking === undefined ? { status: 'passed', ...known } : { status: 'not-applicable', reason: lacking, ...known };
}

async function runInWorld(testCase: ConformanceCase, setup: ConformanceSetup, history: CaseHistory, wiring: CaseWire): Promise<void> {
  const clients = new Map<object, object>();
  const own = wiring.isUsed
    ? await wiring.faults(
        (manager) => clients.get(manager) ?? wiring.manager,
        async () => setup.settled?.(),
      )
    : {};
  // What the harness does itself goes first.
  const faults = { ...own, ...setup.faults } as Required<ConformanceFaults>;
  await testCase.run({
    manager: setup.manager,
    async peer(options: ManagerOptions = {}): Promise<LockManager> {
      const client = {};
      const peer = await wiring.opening(client, () => setup.peer(withVia(options, wiring.via)));
      clients.set(peer, client);
      return peer;
    },
    faults: setup.faults?.openBackend === undefined ? faults : observed(faults, wiring),
    wire: await wiring.wireOf(wiring.manager),
    // Nothing is ever flushed, so that a suite may run on a store that is in use: names do not repeat.
    name: (suffix = '') => history.own(`conformance-${crypto.randomUUID()}${suffix}`),
  });
}

/** Not enumerable: a manager that is made with these options does not know it. */
function withVia(options: ManagerOptions, via: Via): SetupOptions {
  return Object.defineProperty({ ...options }, 'via', { value: via }) as SetupOptions;
}

/** Faults of the case that the harness may leave to the suite's wire. */
function missingFaults(harness: ConformanceHarness, testCase: ConformanceCase): readonly FaultName[] {
  return testCase.faults.filter((fault) => WIRE_FAULTS.has(fault) && harness.faults?.includes(fault) === true);
}

/** What a case asks of a bare backend belongs to its history too. */
function observed(faults: Required<ConformanceFaults>, wiring: CaseWire): Required<ConformanceFaults> {
  return new Proxy(faults, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (property === 'openBackend') return async () => observeBackend(await wiring.opening(wiring.manager, () => target.openBackend()));
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** What a harness says it can do and what it does must agree, else cases would be skipped in silence. */
function checkFaults(harness: ConformanceHarness, setup: ConformanceSetup, wiring: CaseWire): void {
  const declared = new Set<string>(harness.faults ?? []);
  const offered = Object.entries(setup.faults ?? {}).flatMap(([name, fault]) => (fault === undefined ? [] : [name]));
  for (const name of offered) assert.ok(declared.has(name), `setup() offers the fault ${name}; name it in the harness's faults`);
  for (const name of declared) {
    const isOfWire = wiring.isUsed && WIRE_FAULTS.has(name as FaultName);
    assert.ok(isOfWire || offered.includes(name), `setup() does not offer the fault ${name} that the harness names`);
  }
}
