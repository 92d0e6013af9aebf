import type { Library } from './library.js';
import type { Measured, Metric, Sample } from './metric.js';
import { median, type Spread, spread } from './stats.js';

/** What one library reached in one metric. */
export interface Figure {
  readonly metric: Metric;
  readonly library: Library;
  readonly value: number;
  readonly spread: Spread;
  /** The median of the ratios to the floor of the same round; null without a floor. */
  readonly ratioToFloor: number | null;
  readonly ratioSpread: Spread | null;
  /** How many rounds gave it. */
  readonly rounds: number;
}

/** All that a scenario gave, asked for by targets, the table and the rows. */
export class Figures<S extends Measured = Measured> {
  readonly #scenario: S;
  readonly #rounds = new Map<Library, (Sample | null)[]>();
  readonly #faults = new Map<Library, string[]>();

  constructor(scenario: S, libraries: readonly Library[]) {
    this.#scenario = scenario;
    for (const library of libraries) this.#rounds.set(library, []);
  }

  get scenario(): S {
    return this.#scenario;
  }

  get libraries(): readonly Library[] {
    return [...this.#rounds.keys()];
  }

  /** Notes a round; every library notes one each round, null where it did not get that far. */
  add(library: Library, sample: Sample | null): void {
    this.#rounds.get(library)?.push(sample);
    if (sample !== null) for (const fault of sample.faults) this.fault(library, fault);
  }

  fault(library: Library, text: string): void {
    const known = this.#faults.get(library) ?? [];
    if (!known.includes(text)) known.push(text);
    this.#faults.set(library, known);
  }

  /** What was wrong with a library; empty when its figures can be believed. */
  faultsOf(library: Library): readonly string[] {
    return this.#faults.get(library) ?? [];
  }

  /** null where the library has no such figure. */
  of(library: Library, metricId: string): Figure | null {
    const metric = this.#scenario.metrics.find(({ id }) => id === metricId);
    const values = this.#values(library, metricId).filter((value) => value !== null);
    if (metric === undefined || values.length === 0) return null;
    const over = spread(values);
    const ratios = this.#ratiosToFloor(library, metricId);
    return {
      metric,
      library,
      value: metric.combine === 'highest' ? over.highest : over.median,
      spread: over,
      ratioToFloor: ratios.length === 0 ? null : median(ratios),
      ratioSpread: ratios.length === 0 ? null : spread(ratios),
      rounds: values.length,
    };
  }

  /** The best figure of a peer whose results were right; null where there is none. */
  bestPeer(metricId: string): number | null {
    const peers = this.libraries.filter((library) => library.role === 'peer' && this.faultsOf(library).length === 0);
    const found = peers.map((library) => this.of(library, metricId)).filter((figure) => figure !== null);
    if (found.length === 0) return null;
    const values = found.map(({ value }) => value);
    return found[0]?.metric.higherIsBetter === true ? Math.max(...values) : Math.min(...values);
  }

  #ratiosToFloor(library: Library, metricId: string): readonly number[] {
    const floor = this.libraries.find((candidate) => candidate.role === 'floor' && candidate.backend === library.backend);
    if (floor === undefined) return [];
    const base = this.#values(floor, metricId);
    // Both were measured in the same round, so what slowed the machine then slowed both.
    return this.#values(library, metricId).flatMap((value, round) => {
      const under = base[round] ?? null;
      return value === null || under === null || under === 0 ? [] : [value / under];
    });
  }

  #values(library: Library, metricId: string): readonly (number | null)[] {
    return (this.#rounds.get(library) ?? []).map((sample) => sample?.values[metricId] ?? null);
  }
}
