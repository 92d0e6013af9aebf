import { once } from 'node:events';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, isLockError } from 'holdfast';
import { Calendar, StaleWriteError, withDate } from './calendar.js';

/** What main.ts hands over. */
export interface Work {
  readonly name: string;
  readonly event: string;
  /** To be added to the event's exdates, one after another. */
  readonly dates: readonly string[];
  readonly databaseUrl: string;
  readonly lockUrl: string;
  readonly run: string;
  /** Without a lock, each writes over what the others have written in the meantime. */
  readonly locked: boolean;
  /** Stands still between reading and writing, the first time, and says so. */
  readonly stopsOnce: boolean;
}
/** What it hears. */
export type News = { readonly what: 'stopping' | 'refused' | 'done' };

process.on('disconnect', () => process.exit(0));
process.once('message', (work: Work) => {
  perform(work).then(
    () => tell('done', () => process.exit(0)),
    (error: unknown) => {
      console.error(`${work.name}  ${error instanceof Error ? error.message : String(error)}`);
      process.exit(1);
    },
  );
});

async function perform(work: Work): Promise<void> {
  const calendar = new Calendar(work.databaseUrl, work.run);
  let mustStop = work.stopsOnce;
  // The time between reading and writing, in which a program thinks, and is sometimes stopped: by its machine, or to collect its
  // garbage. Here it says that it is there, and main.ts decides when it goes on; under the lock it even stops it, with SIGSTOP.
  const think = async (): Promise<void> => {
    if (!mustStop) return await sleep(5);
    mustStop = false;
    tell('stopping');
    await once(process, 'message');
  };
  try {
    if (work.locked) await withLock(work, calendar, think);
    else await withoutLock(work, calendar, think);
  } finally {
    await calendar.close();
  }
}

async function withoutLock({ event, dates }: Work, calendar: Calendar, think: () => Promise<void>): Promise<void> {
  for (const date of dates) {
    const { exdates } = await calendar.read(event);
    await think();
    await calendar.write(event, withDate(exdates, date));
  }
}

async function withLock({ name, event, dates, lockUrl, run }: Work, calendar: Calendar, think: () => Promise<void>): Promise<void> {
  // A store without tokens is refused here, and not found out in production.
  await using locks = await connect(lockUrl, { require: ['fencing'], ttlMs: 2_000, commandTimeoutMs: 10_000, label: name });
  for (const date of dates) {
    await again(() =>
      locks.withLock(`${run}:event:${event}`, async ({ fencingToken }) => {
        const { exdates } = await calendar.read(event);
        await think();
        // No look at the lease would be of use here: the next stop may come right after it.
        await calendar.writeFenced(event, withDate(exdates, date), fencingToken);
      }),
    );
  }
}

/** Repeats what came too late, from the reading on. Adding a date twice does no harm, so it may also have been written. */
async function again(attempt: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await attempt();
      return;
    } catch (error) {
      if (error instanceof StaleWriteError) tell('refused');
      else if (!isLockError(error, 'LOCK_LOST')) throw error;
    }
  }
}

function tell(what: News['what'], then: () => void = () => {}): void {
  process.send?.({ what } satisfies News, then);
}
