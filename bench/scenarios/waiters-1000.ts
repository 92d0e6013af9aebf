import { setTimeout } from 'node:timers/promises';
import { within } from '../deadline.js';
import type { Library } from '../library.js';
import type { Sample } from '../metric.js';
import { observerOf, type Contestant, type Scenario, type ScenarioContext } from '../scenario.js';
import { lostUpdates } from '../section.js';
import { sum } from '../stats.js';
import { endWorkers, startWorkers } from '../workers/worker-process.js';

const processes = 4;
const waitersEach = 250;

/** 1,000 callers in 4 processes wait for a name that somebody keeps: what the store is asked while nothing happens. */
export const waiters1000: Scenario = {
  id: 'waiters-1000',
  title: '1,000 waiters in 4 processes on a held name',
  metrics: [
    { id: 'commands', title: 'commands to the store while nothing happens', unit: 'commands/s', higherIsBetter: false },
    { id: 'drain', title: 'sections a second once it is free', unit: 'ops/s', higherIsBetter: true },
  ],
  rounds: { full: 1, quick: 1 },
  targets: [
    {
      text: '< 10 commands/s in total',
      measure: (figures, library) => figures.of(library, 'commands')?.value ?? null,
      isMet: (rate) => rate < 10,
    },
  ],
  enter,
};

/** Every round has its own processes: most libraries cannot be asked to stop waiting. */
async function enter(library: Library, context: ScenarioContext): Promise<Contestant> {
  const holder = await library.open(context.store.address);
  return {
    round: () => round(library, holder, context),
    close: () => holder.close(),
  };
}

async function round(
  library: Library,
  holder: Awaited<ReturnType<Library['open']>>,
  { store, quick, freshName }: ScenarioContext,
): Promise<Sample> {
  const { backend, address } = store;
  const name = freshName();
  const lease = await holder.acquire(name);
  const workers = await startWorkers(processes, { scenario: 'waiters-1000', library: library.id, backend, address });
  try {
    const jobs = workers.map((worker) => worker.run(library.id, 'wait', { name, count: waitersEach }));
    await Promise.all(jobs.map((job) => job.reported));
    await setTimeout(quick ? 700 : 1_500);

    const watch = await observerOf(store).watchCommands();
    await setTimeout(quick ? 1_500 : 4_000);
    const { seconds, commands } = await watch.stop();

    const freed = performance.now();
    await lease.release();
    const all = Promise.all(jobs.map((job) => job.done));
    await Promise.race([all, setTimeout(quick ? 1_000 : 2_500)]);
    for (const job of jobs) job.poke();
    const sections = sum(await within(10_000, 'ending the waiters', all));
    const drainSeconds = (performance.now() - freed) / 1_000;
    // The section in which a worker was asked to stop may be counted there and not yet here; none other may be missing.
    const counted = await store.register.read(name);
    const fault = counted >= sections && counted <= sections + 1 ? null : lostUpdates(counted, sections);
    return {
      values: { commands: sum([...commands.values()]) / seconds, drain: sections / drainSeconds },
      faults: fault === null ? [] : [fault],
    };
  } finally {
    await endWorkers(workers);
  }
}
