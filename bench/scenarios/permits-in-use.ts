import { setTimeout } from 'node:timers/promises';
import type { BenchClient, Library } from '../library.js';
import type { Sample } from '../metric.js';
import type { Contestant, Scenario, ScenarioContext, Target } from '../scenario.js';
import type { Backend } from '../store.js';

const clients = 4;
const tasksEach = 3;
const limit = 2;
const sectionMs = 10;

/** 12 tasks of 4 clients share 2 permits: how many of them are in use, on average. What is missing to 2 is spent on handing on. */
export const permitsInUse: Scenario = {
  id: 'permits-in-use',
  title: `${clients * tasksEach} tasks on ${clients} clients with a limit of ${limit}, sections of ${sectionMs} ms`,
  metrics: [{ id: 'in-use', title: `permits in use, of ${limit}`, unit: 'permits', higherIsBetter: true }],
  rounds: { full: 3, quick: 1 },
  targets: [inUse('redis', 1.8), inUse('postgres', 1.8), inUse('zookeeper', 1.7), inUse('redlock', 1.6)],
  enter,
};

function inUse(backend: Backend, least: number): Target {
  return {
    text: `>= ${least} of ${limit} permits in use`,
    appliesTo: (library) => library.backend === backend,
    measure: (figures, library) => figures.of(library, 'in-use')?.value ?? null,
    isMet: (permits) => permits >= least,
  };
}

async function enter(library: Library, { store, quick, freshName }: ScenarioContext): Promise<Contestant> {
  const opened = await Promise.all(Array.from({ length: clients }, () => library.open(store.address)));
  const name = freshName();
  await share(opened, name, quick ? 150 : 400);
  return {
    round: () => share(opened, name, quick ? 600 : 1_500),
    close: async () => {
      await Promise.all(opened.map((client) => client.close()));
    },
  };
}

async function share(opened: readonly BenchClient[], name: string, forMs: number): Promise<Sample> {
  const use = new PermitUse(forMs);
  await Promise.all(
    opened
      .flatMap((client) => Array.from({ length: tasksEach }, () => client))
      .map(async (client) => {
        while (use.isOn) {
          const lease = await permitOf(client, name);
          const leave = use.enter();
          // A task that is granted one after the end only gives it back.
          if (use.isOn) await setTimeout(sectionMs);
          leave();
          await lease.release();
        }
      }),
  );
  const fault = use.most > limit ? `${use.most} holders at once of ${limit} permits` : null;
  return { values: { 'in-use': use.average }, faults: fault === null ? [] : [fault] };
}

function permitOf(client: BenchClient, name: string): Promise<{ release(): Promise<unknown> }> {
  if (client.acquirePermit === undefined) throw new Error('acquirePermit is missing from the adapter');
  return client.acquirePermit(name, limit);
}

/** How many permits are in use, over a span of time. */
class PermitUse {
  most = 0;
  readonly #end: number;
  readonly #forMs: number;
  #now = 0;
  #held = 0;

  constructor(forMs: number) {
    this.#end = performance.now() + forMs;
    this.#forMs = forMs;
  }

  get isOn(): boolean {
    return performance.now() < this.#end;
  }

  get average(): number {
    return this.#held / this.#forMs;
  }

  /** @returns to be called when the permit is about to be given back */
  enter(): () => void {
    const since = Math.min(performance.now(), this.#end);
    this.#now++;
    this.most = Math.max(this.most, this.#now);
    return () => {
      this.#now--;
      this.#held += Math.min(performance.now(), this.#end) - since;
    };
  }
}
