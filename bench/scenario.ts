import type { Library, ScenarioId } from './library.js';
import type { Figures } from './figures.js';
import type { Store, StoreObserver } from './store.js';
import type { WorkerProcess } from './workers/worker-process.js';

/** One kind of figure that a scenario yields. */
export interface Metric {
  /** The row's scenario is `scenario` for the main metric, which comes first, and `scenario/id` for the others. */
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly higherIsBetter: boolean;
  /** How rounds become one value. @default 'median' */
  readonly combine?: 'median' | 'highest';
}

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

/** What one round of one library gave. */
export interface Sample {
  /** By metric id; a metric may be missing for a library that cannot show it. */
  readonly values: Readonly<Record<string, number>>;
  /** What was wrong, in words. One is enough for the library to be reported as wrong. */
  readonly faults: readonly string[];
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

/** One thing that is measured. Knows no library by name. */
export interface Scenario {
  readonly id: ScenarioId;
  readonly title: string;
  readonly metrics: readonly [Metric, ...Metric[]];
  /** How many rounds are run when nobody says. */
  readonly rounds: { readonly full: number; readonly quick: number };
  readonly targets: readonly Target[];
  enter(library: Library, context: ScenarioContext): Promise<Contestant>;
}
