import { proveExclusion } from '../exclusion.js';
import type { Library } from '../library.js';
import type { Contestant, Scenario, ScenarioContext, Target } from '../scenario.js';
import { flow } from './flow.js';

/** Take and free one lock, one at a time: what a lock costs when nobody is in the way. */
export const uncontended: Scenario = {
  id: 'uncontended',
  title: 'take and free one lock, one at a time',
  metrics: [{ id: 'rate', title: 'rate', unit: 'ops/s', higherIsBetter: true }],
  rounds: { full: 11, quick: 3 },
  targets: [ofTheFloor('>= 0.85 of the floor, fencing token included', 0.85)],
  enter: (library, context) => enterFlow(library, context, 1),
};

/** 64 at a time, each with a name of its own: how much one connection and one event loop can carry. */
export const inFlight64: Scenario = {
  ...uncontended,
  id: 'in-flight-64',
  title: 'take and free, 64 in flight, each its own name',
  targets: [ofTheFloor('>= 0.9 of the floor', 0.9)],
  enter: (library, context) => enterFlow(library, context, 64),
};

function ofTheFloor(text: string, least: number): Target {
  return {
    text,
    appliesTo: ({ backend }) => backend === 'redis',
    measure: (figures, library) => figures.of(library, 'rate')?.ratioToFloor ?? null,
    isMet: (ratio) => ratio >= least,
  };
}

async function enterFlow(library: Library, context: ScenarioContext, inFlight: number): Promise<Contestant> {
  const client = await library.open(context.store.address);
  const other = await library.open(context.store.address);
  // Nobody is in the way below, so a lock that locks nothing would win; the counter is asked beforehand.
  const unsafe = await proveExclusion([client, other], context.freshName());
  await other.close();
  const names = Array.from({ length: inFlight }, () => context.freshName());
  await flow(client, names, context.quick ? 150 : 400);
  return {
    async round() {
      const rate = await flow(client, names, context.quick ? 120 : 300);
      return { values: { rate }, faults: unsafe === null ? [] : [unsafe] };
    },
    close: () => client.close(),
  };
}
