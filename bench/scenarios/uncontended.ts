import { proveExclusion } from '../exclusion.js';
import type { Library } from '../library.js';
import type { Contestant, Scenario, ScenarioContext, Target } from '../scenario.js';
import type { Backend } from '../store.js';
import { costFlow, flow } from './flow.js';

/** Take and free one lock, one at a time: what a lock costs when nobody is in the way. */
export const uncontended: Scenario = {
  id: 'uncontended',
  title: 'take and free one lock, one at a time',
  metrics: [
    { id: 'rate', title: 'rate', unit: 'ops/s', higherIsBetter: true },
    { id: 'client-cpu', title: 'CPU time of the client for a lock taken and freed', unit: 'µs', higherIsBetter: false },
    { id: 'server-cpu', title: 'CPU time of the server for a lock taken and freed', unit: 'µs', higherIsBetter: false },
  ],
  rounds: { full: 11, quick: 3 },
  targets: [
    ofTheFloor('redis', 'holdfast', 0.85),
    ofTheFloor('redlock', 'holdfast', 0.77),
    ofTheFloor('postgres', 'holdfast', 0.8),
    ofTheFloor('postgres', 'holdfast-table', 0.5),
    ofTheFloor('zookeeper', 'holdfast', 0.85),
  ],
  enter: (library, context) => enterFlow(library, context, 1),
};

/** 64 at a time, each with a name of its own: how much one connection and one event loop can carry. */
export const inFlight64: Scenario = {
  ...uncontended,
  id: 'in-flight-64',
  title: 'take and free, 64 in flight, each its own name',
  targets: [
    ofTheFloor('redis', 'holdfast', 1.2),
    ofTheFloor('redlock', 'holdfast', 1.8),
    ofTheFloor('postgres', 'holdfast', 6),
    ofTheFloor('postgres', 'holdfast-table', 3),
    ofTheFloor('zookeeper', 'holdfast', 0.85),
  ],
  enter: (library, context) => enterFlow(library, context, 64),
};

/** The rate of one of ours, as a part of the floor's. */
export function ofTheFloor(backend: Backend, id: string, least: number): Target {
  return {
    text: `>= ${least} of the floor`,
    appliesTo: (library) => library.backend === backend && library.id === id,
    measure: (figures, library) => figures.of(library, 'rate')?.ratioToFloor ?? null,
    isMet: (ratio) => ratio >= least,
  };
}

async function enterFlow(library: Library, context: ScenarioContext, inFlight: number): Promise<Contestant> {
  const { store, quick } = context;
  const client = await library.open(store.address);
  const other = await library.open(store.address);
  // Nobody is in the way below, so a lock that locks nothing would win; the counter is asked beforehand.
  const unsafe = await proveExclusion([client, other], context.freshName());
  await other.close();
  const names = Array.from({ length: inFlight }, () => context.freshName());
  await flow(client, names, quick ? 150 : 400);
  return {
    async round() {
      const { rate, clientCpu, serverCpu } = await costFlow(client, names, { forMs: quick ? 120 : 300, serverPids: store.pids });
      return {
        values: { rate, 'client-cpu': clientCpu, ...(serverCpu === null ? {} : { 'server-cpu': serverCpu }) },
        faults: unsafe === null ? [] : [unsafe],
      };
    },
    close: () => client.close(),
  };
}
