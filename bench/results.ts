import os from 'node:os';
import type { Figures } from './figures.js';
import type { Library } from './library.js';
import { entriesOf, type Row, type Verdict, verdictsOf } from './report.js';
import type { Scenario } from './scenario.js';
import type { Spread } from './stats.js';
import type { Backend, Store } from './store.js';

/** One figure with all that is known of it: a row of `--json`, and how far it spread. */
export interface Result extends Row {
  readonly title: string;
  readonly role: Library['role'];
  /** What was measured, in words. */
  readonly metric: string;
  /** Where on the axis, for a figure that is one of a series. */
  readonly at?: number;
  readonly rounds: number;
  /** Over the rounds; null when the result was wrong. */
  readonly spread: readonly [lowest: number, highest: number] | null;
  /** Of the ratio to the floor. */
  readonly ratioSpread: readonly [lowest: number, highest: number] | null;
}

/** Whether one of ours reached what it should. */
export interface TargetResult extends Verdict {
  readonly scenario: string;
  readonly library: string;
  readonly backend: Backend;
}

/** What the figures depend on besides the libraries. */
export interface Machine {
  readonly processors: number;
  readonly model: string;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
}

/** A whole run: the file that `--results` writes, and that the comparison and the pages read. */
export interface Results {
  readonly startedAt: string;
  readonly minutes: number;
  readonly quick: boolean;
  readonly machine: Machine;
  readonly stores: readonly { readonly backend: Backend; readonly title: string; readonly load: number }[];
  readonly scenarios: Readonly<Record<string, string>>;
  readonly figures: readonly Result[];
  readonly targets: readonly TargetResult[];
}

/** Collects a run while it goes on. */
export class ResultsBuilder {
  readonly #startedAt = new Date();
  readonly #quick: boolean;
  readonly #stores: Results['stores'][number][] = [];
  readonly #scenarios: Record<string, string> = {};
  readonly #figures: Result[] = [];
  readonly #targets: TargetResult[] = [];

  constructor(quick: boolean) {
    this.#quick = quick;
  }

  addStore({ backend, title }: Store): void {
    this.#stores.push({ backend, title, load: round(loadNow()) });
  }

  add(figures: Figures<Scenario>): void {
    const { id, title } = figures.scenario;
    this.#scenarios[id] = title;
    this.#figures.push(...resultsOf(figures));
    for (const library of figures.libraries) {
      const { id: libraryId, backend } = library;
      this.#targets.push(...verdictsOf(figures, library).map((verdict) => ({ scenario: id, library: libraryId, backend, ...verdict })));
    }
  }

  build(): Results {
    const [processor] = os.cpus();
    return {
      startedAt: this.#startedAt.toISOString(),
      minutes: round((Date.now() - this.#startedAt.getTime()) / 60_000),
      quick: this.#quick,
      machine: {
        processors: os.availableParallelism(),
        model: processor?.model.trim() ?? 'unknown',
        memoryGiB: Math.round(os.totalmem() / 2 ** 30),
        system: `${os.type()} ${os.arch()}`,
        node: process.version,
      },
      stores: this.#stores,
      scenarios: this.#scenarios,
      figures: this.#figures,
      targets: this.#targets,
    };
  }
}

function resultsOf(figures: Figures<Scenario>): readonly Result[] {
  return entriesOf(figures).map(({ library, metric, figure, row }) => ({
    ...row,
    value: digitsOf(row.value),
    ratioToFloor: digitsOf(row.ratioToFloor),
    title: library.title,
    role: library.role,
    metric: metric.title,
    ...(metric.at === undefined ? {} : { at: metric.at }),
    rounds: figure?.rounds ?? 0,
    spread: endsOf(figure?.spread ?? null),
    ratioSpread: endsOf(figure?.ratioSpread ?? null),
  }));
}

function endsOf(spread: Spread | null): readonly [number, number] | null {
  return spread === null ? null : [shortened(spread.lowest), shortened(spread.highest)];
}

function digitsOf(value: number | null): number | null {
  return value === null ? null : shortened(value);
}

/** More digits than a figure has would only make the file long. */
function shortened(value: number): number {
  return Number(value.toPrecision(5));
}

/** The file: a figure a line, so that a change of one shows as one. */
export function textOf({ figures, targets, ...head }: Results): string {
  const linesOf = (items: readonly unknown[]): string => items.map((item) => `\n    ${JSON.stringify(item)}`).join(',');
  const start = JSON.stringify(head, null, 2).replace(/\n}$/, '');
  return `${start},\n  "figures": [${linesOf(figures)}\n  ],\n  "targets": [${linesOf(targets)}\n  ]\n}\n`;
}

function loadNow(): number {
  return os.loadavg()[0] ?? 0;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
