import type { Result, Results } from '../results.js';

/** What a store is called on a page. */
export const storeTitles: Readonly<Record<string, string>> = {
  redis: 'Redis',
  redlock: 'Redlock',
  postgres: 'PostgreSQL',
  zookeeper: 'ZooKeeper',
};

/** The figures of a run, found by what they are of. */
export class FigureTable {
  readonly results: Results;

  constructor(results: Results) {
    this.results = results;
  }

  /** Those of one row name, in the order of measuring: store by store. */
  of(scenario: string): readonly Result[] {
    return this.results.figures.filter((figure) => figure.scenario === scenario);
  }

  /** null where it was not measured, or was wrong. */
  value(scenario: string, backend: string, library: string): number | null {
    const figure = this.of(scenario).find((candidate) => candidate.backend === backend && candidate.library === library);
    return figure?.value ?? null;
  }

  /** A series of one library, by its points. */
  series(scenario: string): readonly { readonly of: Result; readonly points: readonly (readonly [at: number, value: number])[] }[] {
    const found = new Map<string, { of: Result; points: (readonly [number, number])[] }>();
    for (const figure of this.results.figures) {
      if (figure.at === undefined || !figure.scenario.startsWith(`${scenario}/`)) continue;
      const key = `${figure.backend} ${figure.library}`;
      const entry = found.get(key) ?? { of: figure, points: [] };
      found.set(key, entry);
      if (figure.value !== null) entry.points.push([figure.at, figure.value]);
    }
    return [...found.values()];
  }
}

/** Short enough for an axis: what a floor is made of stands in the tables. */
function shortTitle({ title, role }: Result): string {
  return role === 'floor' ? 'floor' : title;
}

/** With its store, where several are in one picture. */
export function fullTitle(figure: Result): string {
  return `${storeTitles[figure.backend] ?? figure.backend}: ${shortTitle(figure)}`;
}
