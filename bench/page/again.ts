import type { FigureTable } from './figure-table.js';
import { fullTitle } from './figure-table.js';
import { shown, tableOf } from './markdown.js';

/** The figures that several runs have, run beside run: how far a figure of one run can be relied on. */
export function againTable(runs: readonly FigureTable[]): string {
  const [, second] = runs;
  const rows = (second?.results.figures ?? []).filter(({ scenario, role }) => !scenario.includes('/') && role === 'ours');
  return tableOf(
    [
      'figure',
      'library',
      ...runs.map(({ results }) => `${results.startedAt.slice(11, 16)} UTC, load ${shown(results.stores[0]?.load ?? null)}`),
    ],
    rows.map((row) => [`\`${row.scenario}\``, fullTitle(row), ...runs.map((run) => cell(run, row))]),
  );
}

function cell(run: FigureTable, { scenario, backend, library }: FigureTable['results']['figures'][number]): string {
  const found = run.of(scenario).find((figure) => figure.backend === backend && figure.library === library);
  if (found === undefined) return '';
  if (found.value === null) return 'wrong';
  return `${shown(found.value)} ${found.unit}${found.ratioToFloor === null ? '' : ` (${found.ratioToFloor.toFixed(2)})`}`;
}
