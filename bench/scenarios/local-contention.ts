import type { BenchClient } from '../library.js';
import type { Scenario } from '../scenario.js';
import { LocalRegister, lostUpdates } from '../section.js';

const tasks = 20;

/** 20 tasks of one process ask for one name at the same moment, once each; the rate at which they get through. */
export const localContention: Scenario = {
  id: 'local-contention',
  title: '20 tasks in one process on one name',
  metrics: [
    { id: 'rate', title: 'rate', unit: 'ops/s', higherIsBetter: true },
    { id: 'of-alone', title: 'share of the rate of one task alone', unit: 'ratio', higherIsBetter: true },
  ],
  rounds: { full: 4, quick: 1 },
  targets: [
    {
      text: '>= 0.5 of the uncontended rate',
      measure: (figures, library) => figures.of(library, 'of-alone')?.value ?? null,
      isMet: (ratio) => ratio >= 0.5,
    },
    {
      text: '>= 20 times the best peer',
      measure: (figures, library) => {
        const [own, peer] = [figures.of(library, 'rate')?.value, figures.bestPeer('rate')];
        return own === undefined || peer === null ? null : own / peer;
      },
      isMet: (ratio) => ratio >= 20,
    },
  ],
  async enter(library, context) {
    const client = await library.open(context.store.address);
    const name = context.freshName();
    // Two are enough to have run every path once; some libraries take seconds for all.
    await burst(client, name, 2);
    return {
      async round() {
        const alone = await repeat(client, name, 1, context.quick ? 80 : 200);
        const together = await repeat(client, name, tasks, context.quick ? 150 : 500);
        return {
          values: { rate: together.rate, 'of-alone': together.rate / alone.rate },
          faults: [alone.fault, together.fault].filter((text) => text !== null),
        };
      },
      close: () => client.close(),
    };
  },
};

async function repeat(client: BenchClient, name: string, width: number, forMs: number): Promise<{ rate: number; fault: string | null }> {
  const start = performance.now();
  let sections = 0;
  let counted = 0;
  do {
    counted += await burst(client, name, width);
    sections += width;
  } while (performance.now() < start + forMs);
  return { rate: (sections / (performance.now() - start)) * 1_000, fault: lostUpdates(counted, sections) };
}

/** Each task once: a task that asks again at once would win against those who poll, and nothing would be handed over. */
async function burst(client: BenchClient, name: string, width: number): Promise<number> {
  const register = new LocalRegister();
  await Promise.all(
    Array.from({ length: width }, async () => {
      const lease = await client.acquire(name);
      await register.add();
      await lease.release();
    }),
  );
  return register.value;
}
