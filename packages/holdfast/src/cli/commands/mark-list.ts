import { LockUnsupportedError, type MarkState } from '@holdfast/core';
import { showDuration } from '../duration.js';
import { exitCodes } from '../exit-codes.js';
import { type StoreConfig, withManager } from '../open-store.js';
import type { Output } from '../output.js';
import { printable, quoted } from '../printable.js';
import { table } from '../table.js';

/** `holdfast ls --marks`: what is noted as done, when, by whom, and for how long. */
export async function listMarks(prefix: string | undefined, config: StoreConfig, isJson: boolean, output: Output): Promise<number> {
  const marks = await withManager(config, async (manager) => {
    if (manager.marks === null) {
      throw new LockUnsupportedError(`the ${manager.backend} backend has no completion marks`, {
        backend: manager.backend,
        capability: 'marks',
      });
    }
    const found: MarkState[] = [];
    for await (const mark of manager.marks.list({ prefix })) found.push(mark);
    return found;
  });
  marks.sort((a, b) => (a.name < b.name ? -1 : 1));
  if (isJson) output.printJson(marks);
  else if (marks.length === 0)
    output.tell(prefix === undefined ? 'no mark stands' : `no mark stands whose name begins with ${quoted(prefix)}`);
  else printTable(marks, output);
  return exitCodes.ok;
}

function printTable(marks: readonly MarkState[], output: Output): void {
  const rows = marks.map(({ name, outcome, label, ageMs, remainingMs }) => [
    printable(name),
    outcome,
    label === null ? '-' : printable(label),
    showDuration(ageMs),
    Number.isFinite(remainingMs) ? showDuration(remainingMs) : '-',
  ]);
  const [head = '', ...lines] = table([['MARK', 'OUTCOME', 'SET BY', 'AGE', 'LEFT'], ...rows]);
  output.print([output.style('bold', head), ...lines].join('\n'));
}
