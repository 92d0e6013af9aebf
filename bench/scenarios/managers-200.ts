import type { BenchClient, Library } from '../library.js';
import type { Contestant, Scenario, ScenarioContext } from '../scenario.js';
import { flow } from './flow.js';
import { metricsAt, roundsOver } from './series.js';

const points = [1, 2, 5, 10, 20, 50, 100, 200];
const quickPoints = [1, 2, 5, 10];

/** More and more clients of one process, each with connections of its own and one name: what a connection more costs everybody. */
export const managers200: Scenario = {
  id: 'managers-200',
  title: '1 to 200 clients in one process, each with its own name',
  like: 'in-flight-64',
  roles: ['floor', 'ours'],
  metrics: metricsAt(points, 'clients'),
  rounds: { full: points.length, quick: quickPoints.length },
  targets: [],
  enter,
};

async function enter(library: Library, { store, quick, freshName }: ScenarioContext): Promise<Contestant> {
  const byName = new Map<string, BenchClient>();
  const all: BenchClient = {
    acquire: (name) => byName.get(name)?.acquire(name) ?? Promise.reject(new Error(`nobody has ${name}`)),
    close: async () => {
      await Promise.all([...byName.values()].map((client) => client.close()));
    },
  };
  return {
    round: roundsOver(quick ? quickPoints : points, async (count) => {
      while (byName.size < count) byName.set(freshName(), await library.open(store.address));
      const names = [...byName.keys()].slice(0, count);
      await flow(all, names, 100);
      return { rate: await flow(all, names, quick ? 150 : 500) };
    }),
    close: () => all.close(),
  };
}
