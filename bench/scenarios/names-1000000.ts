import type { Library } from '../library.js';
import type { Contestant, Scenario, ScenarioContext } from '../scenario.js';
import type { Backend } from '../store.js';
import { flowOver } from './flow.js';
import { metricsAt, roundsOver } from './series.js';

const points = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];
/** To go through so many names once takes the slower stores minutes. */
const most: Readonly<Record<Backend, number>> = { redis: 1_000_000, redlock: 100_000, postgres: 10_000, zookeeper: 1_000 };
const quickMost = 1_000;
const inFlight = 64;

/** 64 tasks take and free more and more names, each of them once at least: whether it matters how many names there are. */
export const names1000000: Scenario = {
  id: 'names-1000000',
  title: `1 to 1,000,000 names, ${inFlight} in flight`,
  like: 'in-flight-64',
  roles: ['floor', 'ours'],
  metrics: metricsAt(points, 'names'),
  rounds: { full: points.length, quick: points.filter((count) => count <= quickMost).length },
  stepTimeoutMs: 300_000,
  targets: [],
  enter,
};

async function enter(library: Library, context: ScenarioContext): Promise<Contestant> {
  const { store, quick, freshName } = context;
  const client = await library.open(store.address);
  // Every path once: the first point is not to pay for it.
  await flowOver(client, () => freshName(), { inFlight, least: inFlight, forMs: 150 });
  const used = points.filter((count) => count <= Math.min(most[library.backend], quick ? quickMost : Infinity));
  return {
    round: roundsOver(used, async (count) => {
      const name = freshName();
      return {
        rate: await flowOver(client, (index) => `${name}:${index % count}`, {
          inFlight: Math.min(inFlight, count),
          least: count,
          forMs: 300,
        }),
      };
    }),
    close: () => client.close(),
  };
}
