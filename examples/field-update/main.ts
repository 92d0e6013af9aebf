import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect } from 'holdfast';
import { Calendar } from './calendar.js';
import type { News, Work } from './worker-process.js';

const USAGE = `One field of a row in PostgreSQL, the EXDATE list of a calendar event, that several processes update.

  node examples/dist/field-update/main.js postgres://user:password@host/database [lock-url]

The locks are in the store that lock-url names, or HOLDFAST_URL; else in a table of the same database, with a
time to live. (Advisory locks of PostgreSQL end with the session, which a process that stands still keeps.)
Exits with 0 when no update was lost that was made under the lock.
`;
const EVENT = 'standup';
const WORKERS = 3;
const DATES_EACH = 6;
/** How long worker-1 stands still at most. */
const PATIENCE_MS = 30_000;

/** Ended with this process, whatever comes. */
const workers: ChildProcess[] = [];

/** What the acts have in common. */
type Stage = Pick<Work, 'databaseUrl' | 'lockUrl' | 'run'>;

/** Starts one worker; resolves when it has added all its dates. */
function startWorker(
  stage: Stage,
  index: number,
  how: Pick<Work, 'locked' | 'stopsOnce'>,
  onNews: (what: News['what'], worker: ChildProcess) => void,
): Promise<void> {
  const worker = fork(fileURLToPath(new URL('./worker-process.js', import.meta.url)));
  workers.push(worker);
  const name = `worker-${index + 1}`;
  // One month for each worker.
  const dates = Array.from({ length: DATES_EACH }, (_, day) => `20270${index + 1}0${day + 1}T090000Z`);
  worker.send({ ...stage, ...how, name, event: EVENT, dates } satisfies Work);
  worker.on('message', ({ what }: News) => onNews(what, worker));
  return new Promise<void>((resolve, reject) => {
    worker.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`${name} has failed`))));
  });
}

/** All workers at once, without a lock: all have read before the first one writes, as happens once in a while on a busy day. */
async function withoutLock(stage: Stage): Promise<void> {
  const ready: ChildProcess[] = [];
  const onNews = (what: News['what'], worker: ChildProcess): void => {
    if (what === 'stopping') ready.push(worker);
    if (ready.length === WORKERS) for (const each of ready.splice(0)) each.send('go on');
  };
  await Promise.all(Array.from({ length: WORKERS }, (_, index) => startWorker(stage, index, { locked: false, stopsOnce: true }, onNews)));
}

/** With the lock; and the first worker stands still while it has it, until all others are done. */
async function withLock(stage: Stage): Promise<{ readonly refused: number }> {
  let refused = 0;
  const others: Promise<void>[] = [];
  const startOthers = (): void => {
    for (let index = 1; index < WORKERS; index++) {
      others.push(startWorker(stage, index, { locked: true, stopsOnce: false }, () => {}));
    }
  };
  const first = startWorker(stage, 0, { locked: true, stopsOnce: true }, (what, worker) => {
    if (what === 'refused') refused += 1;
    if (what !== 'stopping') return;
    worker.kill('SIGSTOP');
    console.log('   worker-1 has the lock, has read the field, and stands still');
    startOthers();
    const areDone = Promise.allSettled(others).then(() => 'the others are done');
    const isLate = sleep(PATIENCE_MS, 'the others still wait, as the lock ends with the session of its holder, which only stands still', {
      ref: false,
    });
    void Promise.race([areDone, isLate]).then((what) => {
      console.log(`   ${what}; worker-1 goes on, and writes what it had in mind`);
      worker.send('go on');
      worker.kill('SIGCONT');
    });
  });
  await first;
  await Promise.all(others);
  return { refused };
}

async function main(databaseUrl: string, lockUrl: string): Promise<boolean> {
  // Fails here, in one line, when the store of the locks cannot be reached, or has no fencing tokens.
  await (await connect(lockUrl, { require: ['fencing'], commandTimeoutMs: 10_000 })).close();
  const run = `holdfast_${randomBytes(6).toString('hex')}`;
  const calendars: Calendar[] = [];
  const total = WORKERS * DATES_EACH;
  const act = async <T>(number: number, play: (stage: Stage) => Promise<T>): Promise<{ readonly found: number; readonly result: T }> => {
    const stage = { databaseUrl, lockUrl, run: `${run}_${number}` };
    const calendar = new Calendar(databaseUrl, stage.run);
    calendars.push(calendar);
    await calendar.create(EVENT);
    const result = await play(stage);
    const { exdates } = await calendar.read(EVENT);
    return { found: exdates.split(',').filter(Boolean).length, result };
  };
  try {
    console.log(`1. ${WORKERS} workers add ${DATES_EACH} dates each, without a lock`);
    const unlocked = await act(1, withoutLock);
    console.log(`=> ${unlocked.found} of ${total} dates are there; ${total - unlocked.found} were written over.\n`);

    console.log('2. The same with a lock, and a worker that stands still while it has it');
    const { found, result } = await act(2, withLock);
    if (result.refused > 0) console.log(`   its write was refused ${result.refused} time(s) by the fencing token, and made again`);
    console.log(`=> ${found} of ${total} dates are there.`);
    return found === total;
  } finally {
    for (const worker of workers) worker.kill('SIGKILL');
    for (const calendar of calendars) {
      await calendar.drop();
      await calendar.close();
    }
  }
}

const [databaseUrl, lockUrl = process.env['HOLDFAST_URL'] ?? `${databaseUrl}${databaseUrl?.includes('?') ? '&' : '?'}strategy=table`] =
  process.argv.slice(2);
if (databaseUrl === undefined || databaseUrl.startsWith('-')) {
  process.stdout.write(USAGE);
  process.exitCode = databaseUrl === undefined ? 2 : 0;
} else {
  try {
    process.exitCode = (await main(databaseUrl, lockUrl)) ? 0 : 1;
  } catch (error) {
    console.error(`field-update: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
