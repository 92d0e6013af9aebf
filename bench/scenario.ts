import type { Library, ScenarioId } from './library.js';
import type { Figures } from './figures.js';
import type { Measured, Sample } from './metric.js';
import type { Store, StoreObserver } from './store.js';
import type { WorkerProcess } from './workers/worker-process.js';

/** What ours should reach, as printed and as checked. */
export interface Target {
  readonly text: string;
  /** Left out: every library of the role 'ours'. */
  appliesTo?(library: Library): boolean;
  /** The figure that the text speaks of; null where it was not measured in this run. */
  measure(figures: Figures, library: Library): number | null;
  /** The unit behind the measured figure. */
  readonly unit?: string;
  isMet(measured: number): boolean;
}

/** One library in one scenario, opened and warmed up. */
export interface Contestant {
  round(): Promise<Sample>;
  close(): Promise<void>;
}

/** What a scenario gets to work with. */
export interface ScenarioContext {
  readonly store: Store;
  readonly quick: boolean;
  /** A name that no other scenario, library or run uses. */
  freshName(): string;
  /** Processes for the whole scenario: every library of it is opened in the same ones. */
  sharedWorkers(count: number): Promise<readonly WorkerProcess[]>;
}

/** @throws when the store cannot be looked at from outside */
export function observerOf({ observer, title }: Store): StoreObserver {
  if (observer === null) throw new Error(`${title} cannot be observed`);
  return observer;
}

/** Whether a library is measured in a scenario. */
export function takesPart(library: Library, { id, like = id, roles }: Scenario): boolean {
  return library.scenarios.includes(like) && (roles?.includes(library.role) ?? true);
}

/** One thing that is measured. Knows no library by name. */
export interface Scenario extends Measured {
  readonly id: ScenarioId;
  readonly title: string;
  /** The scenario whose libraries take part, where it is another one under other conditions. */
  readonly like?: ScenarioId;
  /** Left out: all. */
  readonly roles?: readonly Library['role'][];
  /** How long one library's part of one round may take before it is wrong. @default 90_000 */
  readonly stepTimeoutMs?: number;
  /** How far away the store is, round trip, by a network of the benchmark's own. @default 0 */
  readonly roundTripMs?: number;
  /** How many rounds are run when nobody says. */
  readonly rounds: { readonly full: number; readonly quick: number };
  readonly targets: readonly Target[];
  enter(library: Library, context: ScenarioContext): Promise<Contestant>;
}
