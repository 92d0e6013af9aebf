import { closeSync, openSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { brokenGrounds, type GroundName, grounds, isGroundName } from './grounds.js';
import { type RunOptions, runFaults } from './run.js';
import { matrixOf, textOfMatrix } from './matrix.js';

const HELP = `pnpm soak [--backend NAME[,NAME...]] [--minutes N] [--seed S]

Uses stores from several processes while servers, connections and processes are disturbed, and checks every grant.

  --backend NAME   ${Object.keys(grounds).join(', ')}, or all; default: redis
  --minutes N      how long it disturbs, more than 0; each fault happens once also in less time; default: 1
  --seed S         a whole number from 1: which faults in which order; default: the time of day
  --grants N       how many grants it waits for at least; default: 1
  --most N         how many different faults of each store in a round; default: all
  --processes N    default: 3
  --callers N      calls under way for each process and store; default: 6
  --expect-violation
                   fails when nothing was wrong: for stores that are broken on purpose (${brokenGrounds.join(', ')})
  --history FILE   writes all that happened to it, a line of JSON an event; default: only when something was wrong
`;

class UsageError extends Error {}

/** Where a run says what it does. */
export type Terminal = Pick<Console, 'log' | 'error'>;

/**
 * What `pnpm soak` does.
 *
 * @param run what makes the run
 * @returns 0 when nothing was wrong, 1 when something was or a store could not be started, 2 for arguments that mean nothing
 */
export async function runFromCommandLine(given: readonly string[], terminal: Terminal, run = runFaults): Promise<number> {
  try {
    return await soak(given, terminal, run);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    terminal.error(error instanceof UsageError ? `${message}\n\n${HELP}` : `the run could not be made: ${message}`);
    return error instanceof UsageError ? 2 : 1;
  }
}

async function soak(given: readonly string[], terminal: Terminal, run: typeof runFaults): Promise<number> {
  const values = read(given);
  if (values.help) {
    terminal.log(HELP);
    return 0;
  }
  const options = optionsOf(values);
  terminal.log(`backends ${options.backends.join(', ')}; seed ${options.seed}`);
  const report = await run({ ...options, log: (line) => terminal.log(line) });
  terminal.log(`\n${textOfMatrix(matrixOf(report))}\n`);
  const counts = `${report.holds.length} grants, ${report.breaches.length} documented breaches, ${report.violations.length} violations`;
  terminal.log(`${counts}, seed ${options.seed}`);
  for (const violation of report.violations) terminal.error(`\n${violation}`);
  if (report.keptIn !== null) terminal.log(`the history is in ${report.keptIn}`);
  const isWrong = report.violations.length > 0;
  if (values['expect-violation'] && !isWrong) terminal.error('a violation was expected, and none was found');
  return isWrong === values['expect-violation'] ? 0 : 1;
}

function optionsOf(values: ReturnType<typeof read>): RunOptions {
  if (values.history !== undefined) checkWritable(values.history);
  return {
    seed: values.seed === undefined ? (Date.now() % 1_000_000) + 1 : whole('seed', values.seed),
    backends: backendsOf(values.backend),
    processes: whole('processes', values.processes),
    callers: whole('callers', values.callers),
    grants: whole('grants', values.grants),
    rounds: 1,
    most: values.most === undefined ? Infinity : whole('most', values.most),
    lastsMs: minutes(values.minutes) * 60_000,
    history: values.history,
  };
}

function read(given: readonly string[]) {
  try {
    return parseArgs({
      args: given.filter((argument) => argument !== '--'),
      options: {
        backend: { type: 'string', default: 'redis' },
        minutes: { type: 'string', default: '1' },
        seed: { type: 'string' },
        processes: { type: 'string', default: '3' },
        callers: { type: 'string', default: '6' },
        grants: { type: 'string', default: '1' },
        most: { type: 'string' },
        history: { type: 'string' },
        'expect-violation': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

/** Before the run, not after it. */
function checkWritable(file: string): void {
  try {
    closeSync(openSync(file, 'a'));
  } catch (error) {
    throw new UsageError(`--history cannot be written: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function whole(option: string, text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < 1) {
    throw new UsageError(`--${option} must be a whole number from 1, not ${JSON.stringify(text)}`);
  }
  return value;
}

function minutes(text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value <= 0) throw new UsageError(`--minutes must be a number above 0, not ${JSON.stringify(text)}`);
  return value;
}

function backendsOf(text: string): GroundName[] {
  if (text === 'all')
    return Object.keys(grounds)
      .filter(isGroundName)
      .filter((name) => !brokenGrounds.includes(name));
  return text.split(',').map((name) => {
    if (!isGroundName(name))
      throw new UsageError(`--backend knows ${Object.keys(grounds).join(', ')} and all, not ${JSON.stringify(name)}`);
    return name;
  });
}
