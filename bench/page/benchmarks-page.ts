import { readable } from '../report.js';
import type { Result } from '../results.js';
import { againTable } from './again.js';
import type { Chart } from './charts.js';
import { type FigureTable, fullTitle, storeTitles } from './figure-table.js';
import { folded, machineTable, nameWithoutPlace, shown, tableOf, warningOf, written } from './markdown.js';
import { behindPeers, missedTargets } from './not-ahead.js';

/** docs/benchmarks.md */
export function benchmarksPage(
  table: FigureTable,
  charts: readonly Chart[],
  others: readonly FigureTable[] = [],
  again: readonly FigureTable[] = [],
): string {
  const picture = (file: string): string => {
    const chart = charts.find((candidate) => candidate.file === file && candidate.svg !== null);
    return chart === undefined ? 'This run has no figure for this picture.' : `![${chart.title}](pictures/benchmarks/${file})`;
  };
  const warning = warningOf(table.results);
  return `${[
    '# Benchmarks',
    `Holdfast beside the libraries that people use today, on real servers. How it is measured, and what each figure means: [the benchmark](../bench/README.md).
Under all of them lies a floor: the bare commands that no lock on this store can do without. "Of the floor" is the ratio to it within the same round.`,
    ...(warning === null ? [] : [warning]),
    '## Where Holdfast is not ahead',
    'Figures in which another library is better than the best of ours on the same store:',
    behindTable(table),
    'The peers that were measured have no fencing token.',
    'Targets that this run did not reach:',
    missedTable(table),
    'Of what these consist, and what would have to change: [where the time goes](where-the-time-goes.md).',
    '## Taking and freeing',
    picture('take-and-free.svg'),
    picture('cpu.svg'),
    '## With a network between',
    'On one machine a round trip takes 0.05 ms, and the work around it decides. With a network between, the number of round trips decides: [round trips](round-trips.md).',
    picture('distance.svg'),
    '## Handing over',
    picture('hand-over.svg'),
    picture('permits.svg'),
    '## More processes, more names, more clients',
    picture('processes.svg'),
    picture('names.svg'),
    picture('clients.svg'),
    'What follows from these figures for a system of many machines: [scale](scale.md).',
    '## All figures',
    'The value is the median of the rounds; the spread is the lowest and the highest.',
    allFigures(table),
    ...(again.length === 0
      ? []
      : [
          '## The same again',
          'The figures of this page and those of shorter runs behind it, on the same machine and the same day; in brackets the ratio to the floor within the same round.',
          againTable([table, ...again]),
        ]),
    ...(others.length === 0 ? [] : ['## Other servers, and another Node', ...others.map(otherRun)]),
    '## The machine, and the commands',
    machineTable(table.results),
    `\`\`\`sh
npx -y pnpm@10 bench:all    # measures; with --quick in a quarter of the time, and roughly
npx -y pnpm@10 bench:page   # writes this page, its pictures, and the page on scale
\`\`\``,
    written,
  ].join('\n\n')}\n`;
}

function behindTable(table: FigureTable): string {
  const rows = behindPeers(table).map(({ peer, ours, times }) => [
    nameOf(peer),
    `${peer.title}: ${shown(peer.value)} ${peer.unit}`,
    `${ours.title}: ${shown(ours.value)} ${ours.unit}`,
    `${readable(times)} times`,
  ]);
  return rows.length === 0 ? 'None in this run.' : tableOf(['figure', 'better', 'the best of ours', 'by'], rows);
}

function missedTable(table: FigureTable): string {
  const rows = missedTargets(table).map(({ scenario, backend, library, text, measured, verdict }) => [
    `\`${scenario}\`, ${storeTitles[backend] ?? backend}`,
    library,
    text.replaceAll('<', '&lt;').replaceAll('>', '&gt;'),
    verdict === 'WRONG' ? 'a wrong result' : shown(measured),
  ]);
  return rows.length === 0 ? 'None: all were reached.' : tableOf(['figure', 'library', 'target', 'measured'], rows);
}

function nameOf({ scenario, backend }: Result): string {
  return `\`${scenario}\`, ${storeTitles[backend] ?? backend}`;
}

/** Scenario by scenario; a series has a column for each point, anything else a row for each library. */
function allFigures({ results }: FigureTable): string {
  return Object.entries(results.scenarios)
    .map(([id, title]) => {
      const figures = results.figures.filter(({ scenario }) => scenario === id || scenario.startsWith(`${id}/`));
      const isSeries = figures.some(({ at }) => at !== undefined);
      const table = isSeries ? seriesTable(figures) : plainTable(figures);
      return `### \`${id}\`\n\n${title[0]?.toUpperCase()}${title.slice(1)}.\n\n${folded(`${figures.length} figures`, table)}`;
    })
    .join('\n\n');
}

function plainTable(figures: readonly Result[]): string {
  return tableOf(
    ['library', 'figure', 'value', 'spread', 'of the floor'],
    figures.map((figure) => [
      fullTitleOf(figure),
      `${figure.metric} (${figure.unit}, ${figure.higherIsBetter ? 'more' : 'less'} is better)`,
      figure.value === null ? 'wrong' : shown(figure.value),
      figure.spread === null || figure.rounds < 2 ? '' : figure.spread.map(shown).join(' to '),
      figure.ratioToFloor === null ? '' : figure.ratioToFloor.toFixed(2),
    ]),
  );
}

function seriesTable(figures: readonly Result[]): string {
  const points = [...new Set(figures.flatMap(({ at }) => at ?? []))].toSorted((a, b) => a - b);
  const rows = [...new Set(figures.map(fullTitle))];
  return tableOf(
    ['ops/s', ...points.map((at) => at.toLocaleString('en-US'))],
    rows.map((row) => [
      row,
      ...points.map((at) => shown(figures.find((figure) => figure.at === at && fullTitle(figure) === row)?.value ?? null)),
    ]),
  );
}

/** A run of a part of the scenarios: main figures only. */
function otherRun({ results }: FigureTable): string {
  const title = `### ${results.stores.map(({ title: of }) => nameWithoutPlace(of)).join(', ')}, Node ${results.machine.node.replace('v', '')}`;
  const warning = warningOf(results);
  const rows = results.figures.filter(({ scenario }) => !scenario.includes('/'));
  const table = tableOf(
    ['scenario', 'library', 'value', 'of the floor'],
    rows.map(({ scenario, title: of, value, unit, ratioToFloor }) => [
      `\`${scenario}\``,
      of,
      value === null ? 'wrong' : `${shown(value)} ${unit}`,
      ratioToFloor === null ? '' : ratioToFloor.toFixed(2),
    ]),
  );
  return [title, ...(warning === null ? [] : [warning]), table].join('\n\n');
}

function fullTitleOf(figure: Result): string {
  return `${storeTitles[figure.backend] ?? figure.backend}: ${figure.title}`;
}
