import { readable } from '../report.js';
import type { Results } from '../results.js';

/** What stands at the end of a page that a script has written. */
export const written = '<!-- Written by `pnpm bench:page` from bench/results.json. -->';

/** A table of Markdown. */
export function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** What a reader opens. */
export function folded(title: string, content: string): string {
  return `<details>\n<summary>${title}</summary>\n\n${content}\n\n</details>`;
}

/** A figure, or what stands for one that there is none of. */
export function shown(value: number | null): string {
  return value === null || !Number.isFinite(value) ? '' : readable(value);
}

/** What was computed of figures: two digits, because no more are known. */
export function about(value: number | null): string {
  return value === null ? '' : shown(Number(value.toPrecision(2)));
}

/** The title of a store, without its address. */
export function nameWithoutPlace(title: string): string {
  return title.replace(/ at \S+:\d+$/, '');
}

/** When, where and how long. */
export function machineTable({ startedAt, minutes, quick, machine, stores }: Results): string {
  const { processors, model, memoryGiB, system, node } = machine;
  return tableOf(
    ['', ''],
    [
      ['measured', `${startedAt.slice(0, 10)}, in ${readable(minutes)} minutes${quick ? ', by a quick run: the figures are rough' : ''}`],
      ['machine', `${processors} processors (${model}), ${memoryGiB} GiB, ${system}, Node ${node}; client and server share it`],
      ['stores', stores.map(({ title }) => nameWithoutPlace(title)).join('; ')],
      ['load of the machine at the start of each', stores.map(({ load }) => readable(load)).join(', ')],
    ],
  );
}

/** Says so where the figures cannot be relied on. */
export function warningOf({ quick, machine, stores }: Results): string | null {
  // Those of later stores are the work of the benchmark itself.
  const load = stores[0]?.load ?? 0;
  const busy = load > machine.processors / 2;
  if (!quick && !busy) return null;
  const why = [
    quick ? 'The run was a quick one, with one round or three.' : '',
    busy
      ? `The machine had other work when the run began: its load was ${readable(load)} on ${machine.processors} processors, and rates and times may show that.`
      : '',
  ];
  return `**Do not quote these figures.** ${why.filter(Boolean).join(' ')}`;
}
