import { setTimeout } from 'node:timers/promises';
import { within } from '../deadline.js';
import type { Library } from '../library.js';
import type { Contestant, Scenario, ScenarioContext } from '../scenario.js';
import { addOver, lostUpdates } from '../section.js';
import { inversions, median, sum } from '../stats.js';
import { type SectionTimes, sharedNow } from '../workers/protocol.js';
import type { WorkerProcess } from '../workers/worker-process.js';

const processes = 8;
const pairs = (processes * (processes - 1)) / 2;
/** Between one process's asking and the next one's: so long that who came first is beyond doubt. */
const settleMs = 4;
/**
 * Added by chance, between the processes and before the name is freed: those who poll must meet the release at any
 * moment of their interval (250 ms is the longest), not where our own rhythm puts it.
 */
const settleSpreadMs = 36;
const keepSpreadMs = 250;
const burstTimeoutMs = 20_000;

/**
 * While one process holds the name, eight others ask for it one after the other; then it is handed through all of
 * them. Measured is the time from each call of release to the next grant, which is another process's.
 */
export const handover8Processes: Scenario = {
  id: 'handover-8-processes',
  title: '8 processes wait for one name, which is handed through',
  metrics: [
    { id: 'handover', title: 'from release to the next grant', unit: 'ms', higherIsBetter: false },
    // The worst round: one inversion in any of them must show.
    { id: 'inversions', title: 'pairs granted in another order than they asked', unit: '%', higherIsBetter: false, combine: 'highest' },
  ],
  rounds: { full: 3, quick: 1 },
  targets: [
    {
      text: '10 times faster than the best peer',
      measure: (figures, library) => {
        const [own, peer] = [figures.of(library, 'handover')?.value, figures.bestPeer('handover')];
        return own === undefined || peer === null ? null : peer / own;
      },
      isMet: (times) => times >= 10,
    },
    {
      text: '<= 1.7 times the floor',
      appliesTo: ({ backend }) => backend === 'redis',
      measure: (figures, library) => figures.of(library, 'handover')?.ratioToFloor ?? null,
      isMet: (times) => times <= 1.7,
    },
    {
      text: 'fair: not one inversion',
      appliesTo: (library) => library.role === 'ours' && library.fair === true,
      measure: (figures, library) => figures.of(library, 'inversions')?.value ?? null,
      isMet: (count) => count === 0,
    },
  ],
  enter,
};

async function enter(library: Library, context: ScenarioContext): Promise<Contestant> {
  const { backend, address } = context.store;
  const workers = await context.sharedWorkers(processes);
  const opening = { scenario: 'handover-8-processes', library: library.id, backend, address } as const;
  await Promise.all(workers.map((worker) => worker.open(opening)));
  const holder = await library.open(address);
  const burst = (): Promise<Burst> =>
    within(burstTimeoutMs, 'handing one name through 8 processes', passThrough(holder, library, workers, context));
  await burst();
  return {
    async round() {
      const bursts: Burst[] = [];
      const end = performance.now() + (context.quick ? 400 : 1_600);
      do bursts.push(await burst());
      while (performance.now() < end);
      const inverted = sum(bursts.map(({ tickets }) => inversions(tickets)));
      return {
        values: {
          handover: median(bursts.flatMap(({ handovers }) => handovers)),
          inversions: (inverted / (bursts.length * pairs)) * 100,
        },
        faults: bursts.flatMap(({ fault }) => (fault === null ? [] : [fault])),
      };
    },
    close: () => holder.close(),
  };
}

interface Burst {
  readonly handovers: readonly number[];
  /** In the order of the grants. */
  readonly tickets: readonly number[];
  readonly fault: string | null;
}

async function passThrough(
  holder: { acquire(name: string): Promise<{ release(): Promise<unknown> }> },
  library: Library,
  workers: readonly WorkerProcess[],
  { store, freshName }: ScenarioContext,
): Promise<Burst> {
  const name = freshName();
  const lease = await holder.acquire(name);
  const jobs = [];
  for (const worker of workers) {
    const job = worker.run(library.id, 'section', { name, settleMs: settleMs + Math.random() * settleSpreadMs });
    await job.reported;
    jobs.push(job.done);
  }
  await setTimeout(Math.random() * keepSpreadMs);
  await addOver(store.register, name);
  let freedAt = sharedNow();
  const [sections] = await Promise.all([Promise.all(jobs), lease.release()]);
  const inOrder = sections.toSorted((a: SectionTimes, b: SectionTimes) => a.grantedAt - b.grantedAt);
  const handovers: number[] = [];
  for (const section of inOrder) {
    handovers.push(section.grantedAt - freedAt);
    freedAt = section.freedAt;
  }
  const overlap = handovers.some((ms) => ms < 0) ? 'a grant came before the release of the one before it' : null;
  return {
    handovers,
    tickets: inOrder.map(({ ticket }) => ticket),
    fault: lostUpdates(await store.register.read(name), processes + 1) ?? overlap,
  };
}
