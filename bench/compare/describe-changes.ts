import { readable } from '../report.js';
import type { Change, ChangeKind } from './compare-figures.js';

const titles: readonly (readonly [ChangeKind, string])[] = [
  ['fell', 'Worse beyond the spread, or wrong now'],
  ['rose', 'Better beyond the spread, or correct now'],
  ['floor', 'The floor itself moved, so the machine was not the same: what stands on it was compared by its ratio to the floor'],
  ['different', 'Measured differently, not comparable'],
  ['new', 'Only in the second file'],
  ['gone', 'Only in the first file'],
];

/** What a person reads: everything but what stayed within the spread, which is counted. */
export function describeChanges(changes: readonly Change[]): string {
  const parts = titles.flatMap(([kind, title]) => {
    const found = changes.filter((change) => change.kind === kind);
    return found.length === 0 ? [] : [[title, ...found.map((change) => `  ${lineOf(change)}`)].join('\n')];
  });
  const steady = changes.filter(({ kind }) => kind === 'steady').length;
  return [...parts, `${steady} of ${changes.length} figures stayed within the spread.`].join('\n\n');
}

function lineOf({ scenario, backend, library, before, after, unit }: Change): string {
  const relative = before === null || after === null || before === 0 ? '' : ` (${signed(((after - before) / Math.abs(before)) * 100)} %)`;
  return `${scenario}, ${backend}, ${library}: ${shown(before)} -> ${shown(after)} ${unit}${relative}`;
}

function shown(value: number | null): string {
  return value === null ? 'none' : readable(value);
}

function signed(percent: number): string {
  return `${percent > 0 ? '+' : ''}${percent.toFixed(0)}`;
}
