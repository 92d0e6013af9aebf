import type { BenchClient, BenchBatch, Library } from '../library.js';
import type { Contestant, Scenario, ScenarioContext } from '../scenario.js';
import { proveExclusion } from '../exclusion.js';

const count = 1_000;

/** Take 1,000 free names that nobody waits for: in one call where the library has one, else all calls at once. */
export const tryEach1000: Scenario = {
  id: 'try-each-1000',
  title: 'try each of 1,000 names',
  metrics: [
    { id: 'time', title: 'time to take', unit: 'ms', higherIsBetter: false },
    { id: 'of-singles', title: 'share of the time of 1,000 calls one after the other', unit: 'ratio', higherIsBetter: false },
  ],
  rounds: { full: 7, quick: 3 },
  targets: [
    {
      text: '<= 1/20 of the time of 1,000 single calls',
      measure: (figures, library) => figures.of(library, 'of-singles')?.value ?? null,
      isMet: (ratio) => ratio <= 1 / 20,
    },
    {
      text: '<= 1.0 times the floor',
      measure: (figures, library) => figures.of(library, 'time')?.ratioToFloor ?? null,
      isMet: (times) => times <= 1,
    },
  ],
  enter,
};

async function enter(library: Library, context: ScenarioContext): Promise<Contestant> {
  const client = await library.open(context.store.address);
  const names = Array.from({ length: count }, () => context.freshName());
  const faults = await prove(library, client, names, context);
  return {
    async round() {
      const batch = await timed(() => tryEach(client, names));
      const values: Record<string, number> = { time: batch.ms };
      const wrong = [...faults, ...batch.faults];
      if (client.tryAcquireOneByOne !== undefined) {
        const singles = await timed(() => client.tryAcquireOneByOne?.(names) ?? tryEach(client, names));
        values['of-singles'] = batch.ms / singles.ms;
        wrong.push(...singles.faults);
      }
      return { values, faults: wrong };
    },
    close: () => client.close(),
  };
}

/** Every tenth name is somebody else's: exactly those must be missing from what is granted. */
async function prove(library: Library, client: BenchClient, names: readonly string[], context: ScenarioContext): Promise<string[]> {
  const other = await library.open(context.store.address);
  const unsafe = await proveExclusion([client, other], context.freshName());
  const theirs = new Set(names.filter((_, index) => index % 10 === 0));
  const held = await tryEach(other, [...theirs]);
  const rest = await tryEach(client, names);
  const right = rest.granted.length === count - theirs.size && rest.granted.every((name) => !theirs.has(name));
  await rest.releaseAll();
  await held.releaseAll();
  await other.close();
  return [unsafe, right ? null : 'it did not grant exactly the names that were free'].filter((text) => text !== null);
}

/** Frees what was taken outside the time. */
async function timed(take: () => Promise<BenchBatch>): Promise<{ ms: number; faults: string[] }> {
  const start = performance.now();
  const batch = await take();
  const ms = performance.now() - start;
  await batch.releaseAll();
  return { ms, faults: batch.granted.length === count ? [] : [`it granted ${batch.granted.length} of ${count} free names`] };
}

function tryEach(client: BenchClient, names: readonly string[]): Promise<BenchBatch> {
  if (client.tryAcquireEach === undefined) throw new Error('tryAcquireEach is missing from the adapter');
  return client.tryAcquireEach(names);
}
