// write-faults.mjs HISTORY...: writes the table of docs/faults.md from histories that `pnpm soak --history` has written. The packages must be built.
import { readFileSync, writeFileSync } from 'node:fs';
import { argv } from 'node:process';
import { parseHistory } from '../test/dist/faults/history.js';
import { matrixOf, textOfMatrix } from '../test/dist/faults/matrix.js';
import { judge } from '../test/dist/faults/verdict.js';

const page = new URL('../docs/faults.md', import.meta.url);
const [begin, end] = ['<!-- fault matrix -->', '<!-- end of fault matrix -->'];
const histories = argv.slice(2);
if (histories.length === 0) {
  console.error('node scripts/write-faults.mjs HISTORY...');
  process.exit(2);
}
let [grants, breaches, violations] = [0, 0, 0];
const rows = histories.flatMap((file) => {
  const events = parseHistory(readFileSync(file, 'utf8'));
  const verdicts = judge(events);
  grants += verdicts.holds.length;
  breaches += verdicts.breaches.length;
  violations += verdicts.violations.length;
  return matrixOf({ events, ...verdicts });
});
// What befalls processes is in every history.
const merged = new Map();
for (const row of rows) {
  const key = `${row.target}: ${row.fault}`;
  const sofar = merged.get(key);
  if (sofar === undefined) merged.set(key, row);
  else {
    for (const count of ['times', 'kept', 'lost', 'unavailable', 'breaches']) sofar[count] += row[count];
    sofar.recoveredMs = Math.max(sofar.recoveredMs, row.recoveredMs);
  }
}
const sum = `${grants.toLocaleString('en')} grants, ${breaches} documented breaches, ${violations} violations.`;
const text = readFileSync(page, 'utf8');
const [before, rest = ''] = text.split(begin);
const [, after = ''] = rest.split(end);
writeFileSync(page, `${before}${begin}\n\n${sum}\n\n${textOfMatrix([...merged.values()])}\n\n${end}${after}`);
