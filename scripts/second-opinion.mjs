// second-opinion.mjs HISTORY: asks Porcupine, a linearizability checker of others, about a history that `pnpm soak --history` has written.
// Needs Go and its module proxy; the packages must be built. Of faults by which a store may forget it knows nothing: use histories without them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { argv } from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseHistory } from '../test/dist/faults/history.js';
import { holdsOf, operationsOf } from '../test/dist/faults/holds.js';
import { updatesOf } from '../test/dist/faults/updates.js';

const [history] = argv.slice(2);
if (history === undefined) {
  console.error('node scripts/second-opinion.mjs HISTORY');
  process.exit(2);
}
const events = parseHistory(readFileSync(history, 'utf8'));
const objects = new Map(updatesOf(events));
for (const hold of holdsOf(events)) {
  objects.set(hold.object, [...(objects.get(hold.object) ?? []), ...operationsOf([hold])]);
}

/** One operation as a line of JSON. */
function lineOf(object, index, { op, call, end }) {
  const { do: what, hold = '', mode = '', permits = 0, token = null } = op;
  const [from, to] = what === 'read' ? [op.value, op.value] : [op.from ?? 0, op.to ?? 0];
  // Each operation is a client of its own: callers of one process overlap.
  const operation = {
    object,
    client: `${object} ${index}`,
    call,
    end: end === Infinity ? null : end,
    do: what,
    hold,
    mode,
    permits,
    from,
    to,
  };
  // Tokens are written as they are: they are above what JSON's numbers keep in JavaScript.
  return `${JSON.stringify(operation).slice(0, -1)},"token":${token ?? -1}}\n`;
}

const porcupine = spawn('go', ['run', '.'], {
  cwd: fileURLToPath(new URL('../test/faults/porcupine/', import.meta.url)),
  stdio: ['pipe', 'inherit', 'inherit'],
});
for (const [object, operations] of objects) {
  for (const [index, operation] of operations.entries()) {
    const whole = withMode(operations, operation);
    porcupine.stdin.write(lineOf(object, index, whole));
  }
}
porcupine.stdin.end();
const [code] = await once(porcupine, 'exit');
process.exitCode = code ?? 1;

/** The end of a hold says how it was held, which the model needs and its own operation does not have. */
function withMode(operations, operation) {
  if (operation.op.do !== 'end') return operation;
  const begun = operations.find(({ op }) => op.do === 'acquire' && op.hold === operation.op.hold);
  return { ...operation, op: { ...begun?.op, token: null, do: 'end' } };
}
