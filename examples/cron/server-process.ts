import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { Cron } from 'croner';
import { connect } from 'holdfast';
import { createJobLockManager } from 'holdfast/jobs';
import { recentPeriods } from './periods.js';
import { createStatistics } from './statistics.js';

/** What main.ts hands over: who this is, where everything is, and from when on. */
interface Server {
  readonly name: string;
  readonly url: string;
  readonly run: string;
  readonly since: string;
}
/** What it hears: a period is being done, or was. */
export type Progress = { readonly server: string; readonly period: string; readonly what: 'began' | 'done' };

// One server of the service. Each has the same schedule, and none knows of the others.
process.on('disconnect', () => process.exit(0));
process.on('message', (server: Server) => void serve(server));

async function serve({ name, url, run, since }: Server): Promise<void> {
  // When this server dies, its lock ends after three seconds and somebody else may do what it was at.
  const locks = await connect(url, { ttlMs: 3_000, label: name });
  const jobs = createJobLockManager(locks);
  const statistics = createStatistics(url, run);
  const tell = (period: string, what: Progress['what']): void => {
    process.send?.({ server: name, period, what } satisfies Progress);
  };

  // A store that is away, a lock that was lost: this tick fails, and the next one looks for what it left.
  const onError = (error: unknown): void => console.error(`${name}  ${error instanceof Error ? error.message : String(error)}`);
  // `protect`: a tick that finds the one before still at work is left out.
  new Cron('* * * * * *', { protect: true, catch: onError }, async () => {
    for (const period of recentPeriods(Date.now(), since)) {
      // One run for each period, no matter who comes first. A period whose server died, or failed, is done by the next who looks.
      await jobs.runOnce(`${run}:${period}`, { windowMs: 3_600_000 }, async ({ signal, fencingToken }) => {
        tell(period, 'began');
        // The work. It ends at once when the lock is lost.
        await sleep(300, undefined, { signal });
        await statistics.write(period, name, fencingToken);
        tell(period, 'done');
      });
    }
  });
}
