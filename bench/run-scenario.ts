import { randomBytes } from 'node:crypto';
import { within } from './deadline.js';
import { Figures } from './figures.js';
import type { Library } from './library.js';
import { slowDown } from './latency/slow-down.js';
import { type Contestant, type Scenario, type ScenarioContext, takesPart } from './scenario.js';
import type { Store } from './store.js';
import { endWorkers, startProcesses, type WorkerProcess } from './workers/worker-process.js';

/** For one library's part of one round. The slowest that is right takes some seconds. */
const defaultStepTimeoutMs = 90_000;

/** How a scenario is run. */
export interface RunOptions {
  readonly quick: boolean;
  /** The scenario's own number when left out. */
  readonly rounds?: number | undefined;
  /** Called with what happens, for somebody who waits. */
  readonly onProgress?: ((text: string) => void) | undefined;
}

/**
 * Runs one scenario: every library enters and warms up, then all take turns, round by round. A library that fails is
 * left out of the rounds to come and reported as wrong; the others go on.
 */
export async function runScenario(
  scenario: Scenario,
  libraries: readonly Library[],
  store: Store,
  options: RunOptions,
): Promise<Figures<Scenario>> {
  const entered = libraries.filter((library) => library.backend === store.backend && takesPart(library, scenario));
  const figures = new Figures(scenario, entered);
  const contestants = new Map<Library, Contestant>();
  const runId = randomBytes(4).toString('hex');
  let names = 0;
  const measured = scenario.roundTripMs === undefined ? store : await slowDown(store, scenario.roundTripMs);
  const shared: { workers?: Promise<readonly WorkerProcess[]> } = {};
  const context: ScenarioContext = {
    store: measured,
    quick: options.quick,
    freshName: () => `bench:${scenario.id}:${runId}:${names++}`,
    sharedWorkers: (count) => {
      shared.workers ??= startProcesses(count);
      return shared.workers;
    },
  };
  const attempt = async <T>(library: Library, step: string, action: () => Promise<T>): Promise<T | null> => {
    try {
      return await within(scenario.stepTimeoutMs ?? defaultStepTimeoutMs, step, action());
    } catch (error) {
      figures.fault(library, `${step} failed: ${error instanceof Error ? error.message : String(error)}`);
      return null;
    }
  };
  try {
    for (const library of entered) {
      options.onProgress?.(`${scenario.id}: ${library.title} warms up`);
      const contestant = await attempt(library, 'warming up', () => scenario.enter(library, context));
      if (contestant !== null) contestants.set(library, contestant);
    }
    const rounds = options.rounds ?? (options.quick ? scenario.rounds.quick : scenario.rounds.full);
    for (let round = 0; round < rounds; round++) {
      for (const library of startingAt(entered, round)) {
        options.onProgress?.(`${scenario.id}: round ${round + 1} of ${rounds}, ${library.title}`);
        const contestant = contestants.get(library);
        const sample = contestant === undefined ? null : await attempt(library, 'a round', () => contestant.round());
        if (sample === null) contestants.delete(library);
        figures.add(library, sample);
        if (contestant !== undefined && sample === null) await attempt(library, 'closing', () => contestant.close());
      }
    }
  } finally {
    for (const [library, contestant] of contestants) await attempt(library, 'closing', () => contestant.close());
    if (shared.workers !== undefined) await endWorkers(await shared.workers);
    if (measured !== store) await measured.close();
  }
  return figures;
}

/** A B C, B C A, C A B: nobody always runs after the same neighbour's leftovers. */
function startingAt<T>(items: readonly T[], start: number): readonly T[] {
  const first = items.length === 0 ? 0 : start % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}
