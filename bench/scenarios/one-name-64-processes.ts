import { setTimeout } from 'node:timers/promises';
import { within } from '../deadline.js';
import type { Library } from '../library.js';
import type { Contestant, Scenario, ScenarioContext } from '../scenario.js';
import { lostUpdates } from '../section.js';
import { sum } from '../stats.js';
import type { WorkerProcess } from '../workers/worker-process.js';
import { metricsAt, roundsOver } from './series.js';

const points = [1, 2, 4, 8, 16, 32, 64];
const quickPoints = [1, 2, 4, 8];
const endMs = 30_000;
/** Two processors load a driver for so many processes within the time that a command may take. */
const OPENED_AT_ONCE = 8;

/**
 * One name, which more and more processes take, use and free again and again: how many sections a second get through in all. Not for peers:
 * one that asks again after a pause of its own leaves the name to the process that had it, and the figure would be that of one process.
 */
export const oneName64Processes: Scenario = {
  id: 'one-name-64-processes',
  title: '1 to 64 processes on one name',
  like: 'handover-8-processes',
  roles: ['floor', 'ours'],
  metrics: metricsAt(points, 'processes'),
  rounds: { full: points.length, quick: quickPoints.length },
  targets: [],
  enter,
};

async function enter(library: Library, context: ScenarioContext): Promise<Contestant> {
  const { backend, address } = context.store;
  const used = context.quick ? quickPoints : points;
  const workers = await context.sharedWorkers(Math.max(...used));
  const opening = { scenario: 'handover-8-processes', library: library.id, backend, address } as const;
  for (let at = 0; at < workers.length; at += OPENED_AT_ONCE) {
    const some = workers.slice(at, at + OPENED_AT_ONCE);
    await Promise.all(some.map((worker) => worker.open(opening)));
    await loopIn(some, library, context, 50);
  }
  await loopIn(workers, library, context, 300);
  return {
    round: roundsOver(used, (count) => loopIn(workers.slice(0, count), library, context, context.quick ? 300 : 1_000)),
    close: async () => undefined,
  };
}

/** What was going on when it ended counts, and the time that it took. */
async function loopIn(
  workers: readonly WorkerProcess[],
  library: Library,
  { store, freshName }: ScenarioContext,
  forMs: number,
): Promise<{ rate: number; fault: string | null }> {
  const name = freshName();
  const start = performance.now();
  const jobs = workers.map((worker) => worker.run(library.id, 'loop', { name }));
  await setTimeout(forMs);
  for (const job of jobs) job.poke();
  const sections = sum(await within(endMs, 'ending the sections', Promise.all(jobs.map((job) => job.done))));
  const seconds = (performance.now() - start) / 1_000;
  return { rate: sections / seconds, fault: lostUpdates(await store.register.read(name), sections) };
}
