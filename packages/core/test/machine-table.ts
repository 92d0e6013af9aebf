import { readFileSync } from 'node:fs';

/** One row of a table of ARCHITECTURE.md: in this state, at this event, the next state and what follows. */
export interface TableRow {
  readonly state: string;
  readonly event: string;
  readonly next: string;
  readonly effects: string;
}

const page = readFileSync(new URL('../../../ARCHITECTURE.md', import.meta.url), 'utf8');

/** The rows of the table between `<!-- NAME -->` and the next heading. A state that is left out is that of the row above. */
export function readTable(name: string): readonly TableRow[] {
  const [, behind = ''] = page.split(`<!-- ${name} -->`);
  const lines = (behind.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('| '));
  let above = '';
  return lines.slice(2).map((line) => {
    const [state = '', event = '', next = '', effects = ''] = line
      .slice(1, -1)
      .split(' | ')
      .map((cell) => cell.trim());
    above = state === '' ? above : state;
    return { state: above, event, next, effects };
  });
}

/** The arrows of a picture of `docs/pictures`, each as `from > to`. */
export function readArrows(picture: string): readonly string[] {
  const text = readFileSync(new URL(`../../../docs/pictures/${picture}`, import.meta.url), 'utf8');
  return [...text.matchAll(/data-from="(\w+)" data-to="(\w+)"/g)].map(([, from = '', to = '']) => `${from} > ${to}`);
}
