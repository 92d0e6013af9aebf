import { setTimeout } from 'node:timers/promises';
import { countCpu } from '../cpu.js';
import { within } from '../deadline.js';
import type { Library } from '../library.js';
import type { Sample } from '../metric.js';
import { observerOf, type Contestant, type Scenario, type ScenarioContext } from '../scenario.js';
import { sum } from '../stats.js';
import type { ExpiryView } from '../store.js';
import { endWorkers, startWorkers } from '../workers/worker-process.js';

const leases = 10_000;
/** Short, so that several renewals are seen; redis-semaphore renews at four fifths of it. */
const ttl = { fullMs: 6_000, quickMs: 3_000 };
/** How many holds are looked at to see renewals; all were taken alike. */
const sampled = 200;
/** For how many ttls they are looked at. */
const watchedTtls = 1.8;

/** One process holds 10,000 leases over several renewals: what keeping them costs the store, and the process. */
export const renew10000: Scenario = {
  id: 'renew-10000',
  title: '10,000 leases kept by one process',
  metrics: [
    { id: 'commands', title: 'commands for 100 renewals', unit: 'commands', higherIsBetter: false },
    { id: 'heap', title: 'heap of one lease', unit: 'KiB', higherIsBetter: false },
    { id: 'renewals', title: 'renewals of one lease while it was watched', unit: 'renewals', higherIsBetter: true },
    { id: 'server-cpu', title: 'CPU time of the server for a renewal', unit: 'µs', higherIsBetter: false },
  ],
  rounds: { full: 1, quick: 1 },
  targets: [
    {
      text: '<= 1 command per 100 renewals',
      measure: (figures, library) => figures.of(library, 'commands')?.value ?? null,
      isMet: (commands) => commands <= 1,
    },
    {
      text: '<= 2 KiB of heap a lease',
      measure: (figures, library) => figures.of(library, 'heap')?.value ?? null,
      isMet: (kibibytes) => kibibytes <= 2,
    },
  ],
  enter: async (library, context): Promise<Contestant> => ({
    round: () => round(library, context),
    close: async () => undefined,
  }),
};

/** A process of its own each time: the heap is measured in it, and starts the same for everybody. */
async function round(library: Library, { store, quick, freshName }: ScenarioContext): Promise<Sample> {
  const { backend, address } = store;
  const ttlMs = quick ? ttl.quickMs : ttl.fullMs;
  const opening = { scenario: 'renew-10000', library: library.id, backend, address, options: { ttlMs } } as const;
  const workers = await startWorkers(1, opening, ['--expose-gc']);
  try {
    const prefix = freshName();
    const names = Array.from({ length: leases }, (_, index) => `${prefix}:${index}`);
    const jobs = workers.map((worker) => worker.run(library.id, 'hold', { names, inFlight: 64 }));
    const heap = sum(await within(30_000, 'taking 10,000 leases', Promise.all(jobs.map((job) => job.reported))));

    const { expiry, watchCommands } = observerOf(store);
    const held = await expiry.find(prefix);
    const watch = await watchCommands();
    const renewals = await countRenewals(expiry, held.slice(0, sampled), ttlMs * watchedTtls);
    const commands = sum([...(await watch.stop()).commands.values()]);
    // For one ttl more, without the looks and the counting, which cost the server more than renewals do.
    const [, { serverMs }] = await countCpu(store.pids, () => setTimeout(ttlMs));
    const renewed = (renewals / watchedTtls) * leases;
    const left = await expiry.remaining(held);
    const kept = left.filter((ms) => ms > 0).length;

    for (const job of jobs) job.poke();
    await within(30_000, 'freeing 10,000 leases', Promise.all(jobs.map((job) => job.done)));
    const remaining = (await expiry.find(prefix)).length;
    const faults = [
      kept === leases ? null : `${kept} of ${leases} leases were still held in the store after the renewals`,
      renewals > 0 ? null : 'no renewal was seen',
      remaining === 0 ? null : `${remaining} leases stood in the store after they had been freed`,
    ];
    return {
      values: {
        commands: (commands / (renewals * leases)) * 100,
        heap: heap / leases / 1_024,
        renewals,
        ...(serverMs === null ? {} : { 'server-cpu': (serverMs * 1_000) / renewed }),
      },
      faults: faults.filter((text) => text !== null),
    };
  } finally {
    await endWorkers(workers);
  }
}

/**
 * How often a lease was renewed on average, seen from outside: what it has left has grown since the last look. So it
 * is the same for a library that renews each by itself and one that renews all in one command.
 */
async function countRenewals(expiry: ExpiryView, keys: readonly string[], forMs: number): Promise<number> {
  const end = performance.now() + forMs;
  let before = await expiry.remaining(keys);
  let seen = 0;
  while (performance.now() < end) {
    await setTimeout(100);
    const now = await expiry.remaining(keys);
    seen += now.filter((ms, index) => ms > (before[index] ?? 0)).length;
    before = now;
  }
  return seen / keys.length;
}
