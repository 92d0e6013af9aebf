import os from 'node:os';
import type { Figure, Figures } from './figures.js';
import type { Library } from './library.js';
import type { Metric } from './metric.js';
import type { Scenario } from './scenario.js';
import type { Store } from './store.js';

/** One figure, for other programs. */
export interface Row {
  /** The scenario; `scenario/metric` for all but its main metric. */
  readonly scenario: string;
  readonly library: string;
  readonly backend: string;
  /** null when the result was wrong: a fast wrong result is no figure. */
  readonly value: number | null;
  readonly unit: string;
  readonly higherIsBetter: boolean;
  readonly ratioToFloor: number | null;
}

/** The rows of `--json`. */
export function rowsOf(figures: Figures<Scenario>): readonly Row[] {
  return entriesOf(figures).map(({ row }) => row);
}

/** The rows, each with what it is a row of. */
export function entriesOf(
  figures: Figures<Scenario>,
): readonly { readonly library: Library; readonly metric: Metric; readonly figure: Figure | null; readonly row: Row }[] {
  return figures.scenario.metrics.flatMap((metric) =>
    figures.libraries.flatMap((library) => {
      const figure = figures.of(library, metric.id);
      const isWrong = figures.faultsOf(library).length > 0;
      if (figure === null && !isWrong) return [];
      const right = isWrong ? null : figure;
      const row = {
        scenario: rowName(figures, metric),
        library: library.id,
        backend: library.backend,
        value: right?.value ?? null,
        unit: metric.unit,
        higherIsBetter: metric.higherIsBetter,
        ratioToFloor: right?.ratioToFloor ?? null,
      };
      return [{ library, metric, figure: right, row }];
    }),
  );
}

function rowName({ scenario }: Figures<Scenario>, metric: Metric): string {
  return metric === scenario.metrics[0] && metric.at === undefined ? scenario.id : `${scenario.id}/${metric.id}`;
}

/** What the figures depend on besides the libraries. */
export function head(store: Store): string {
  const [load = 0] = os.loadavg();
  return `${store.title}, Node ${process.version}, ${os.availableParallelism()} processors, load ${load.toFixed(1)}`;
}

/** The table of one scenario, with the targets that ours has there. */
export function tableOf(figures: Figures<Scenario>): string {
  const { scenario, libraries } = figures;
  const lines = [`${scenario.id}: ${scenario.title}`];
  for (const metric of scenario.metrics) {
    const rows = libraries.flatMap((library) => {
      const figure = figures.of(library, metric.id);
      return figure === null ? [] : [cellsOf(figure)];
    });
    if (rows.length === 0) continue;
    const direction = metric.higherIsBetter ? 'more is better' : 'less is better';
    lines.push(`  ${metric.title} (${metric.unit}, ${direction})`, ...align([columns, ...rows]).map((line) => `    ${line}`));
  }
  for (const library of libraries) {
    for (const fault of figures.faultsOf(library)) lines.push(`  WRONG  ${library.title}: ${fault}`);
  }
  for (const library of libraries) lines.push(...targetsOf(figures, library).map((line) => `  ${line}`));
  return lines.join('\n');
}

const columns = ['library', 'value', 'lowest', 'highest', 'of the floor'] as const;

function cellsOf({ library, value, spread, ratioToFloor }: Figure): readonly string[] {
  const numbers = [value, spread.lowest, spread.highest].map(readable);
  return [library.title, ...numbers, ratioToFloor === null ? '' : ratioToFloor.toFixed(2)];
}

/** Whether one of ours reached what it should. */
export interface Verdict {
  readonly text: string;
  /** null where this run has no such figure. */
  readonly measured: number | null;
  readonly verdict: 'met' | 'missed' | 'not measured' | 'WRONG';
}

/** Whether each target of one of ours was reached; empty for others. */
export function verdictsOf(figures: Figures<Scenario>, library: Library): readonly Verdict[] {
  if (library.role !== 'ours') return [];
  return figures.scenario.targets
    .filter((target) => target.appliesTo?.(library) ?? true)
    .map((target) => {
      const measured = target.measure(figures, library);
      const isWrong = figures.faultsOf(library).length > 0;
      const verdict = isWrong ? 'WRONG' : measured === null ? 'not measured' : target.isMet(measured) ? 'met' : 'missed';
      return { text: target.text, measured, verdict };
    });
}

/** The same as lines of the table. */
export function targetsOf(figures: Figures<Scenario>, library: Library): readonly string[] {
  return verdictsOf(figures, library).map(
    ({ text, measured, verdict }) => `target  ${library.title}: ${text}: ${verdict}${measured === null ? '' : ` (${readable(measured)})`}`,
  );
}

function align(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = columns.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
}

/** Three digits that mean something. */
export function readable(value: number): string {
  if (value === 0) return '0';
  if (Math.abs(value) >= 1_000) return Math.round(value).toLocaleString('en-US');
  return value
    .toPrecision(3)
    .replace(/(\.\d*?)0+$/, '$1')
    .replace(/\.$/, '');
}
