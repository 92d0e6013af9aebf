import { setTimeout } from 'node:timers/promises';
import type { BenchClient, BenchLease } from '../library.js';
import { addOver } from '../section.js';
import type { Register } from '../store.js';
import { type JobName, type Jobs, sharedNow } from './protocol.js';

/** What a job works with. */
export interface JobContext<J extends JobName> {
  readonly client: BenchClient;
  readonly register: Register;
  report(event: Jobs[J]['event']): void;
  /** Resolves when the benchmark says that it is enough. */
  readonly poked: Promise<void>;
}

type JobTable = { readonly [J in JobName]: (input: Jobs[J]['input'], context: JobContext<J>) => Promise<Jobs[J]['output']> };

/** The jobs of a worker process. */
export const jobs: JobTable = {
  async section({ name, settleMs }, { client, register, report }) {
    const ticket = await register.ticket(name);
    const asking = client.acquire(name);
    // Nobody tells when a request has reached its queue; the next process asks well after it.
    void setTimeout(settleMs).then(() => report('asked'));
    const lease = await asking;
    const grantedAt = sharedNow();
    await addOver(register, name);
    const freedAt = sharedNow();
    await lease.release();
    return { ticket, grantedAt, freedAt };
  },

  async loop({ name }, { client, register, poked }) {
    let ended = false;
    void poked.then(() => {
      ended = true;
    });
    let sections = 0;
    while (!ended) {
      const lease = await client.acquire(name);
      await addOver(register, name);
      sections++;
      await lease.release();
    }
    return sections;
  },

  async wait({ name, count }, { client, register, report, poked }) {
    let ended = false;
    let sections = 0;
    const all = Promise.all(
      Array.from({ length: count }, async () => {
        const lease = await client.acquire(name);
        if (!ended) {
          await addOver(register, name);
          sections++;
        }
        await lease.release();
      }),
    );
    report('asked');
    await Promise.race([
      all,
      poked.then(() => {
        ended = true;
      }),
    ]);
    return sections;
  },

  async hold({ names, inFlight }, { client, report, poked }) {
    // The first hold brings what exists once a client (timers, caches); it is no part of the cost of a lease.
    const [first = '', ...rest] = names;
    const leases = new Array<BenchLease>(names.length);
    leases[0] = await client.acquire(first);
    const before = await usedHeap();
    let next = 0;
    const takeMore = async (): Promise<void> => {
      for (let index = next++; index < rest.length; index = next++) leases[index + 1] = await client.acquire(rest[index] ?? '');
    };
    await Promise.all(Array.from({ length: inFlight }, takeMore));
    report((await usedHeap()) - before);
    await poked;
    for (let start = 0; start < leases.length; start += inFlight) {
      await Promise.all(leases.slice(start, start + inFlight).map((lease) => lease.release()));
    }
    return null;
  },
};

/** What is still reachable, after the collector had several goes: weak references need more than one. */
async function usedHeap(): Promise<number> {
  if (globalThis.gc === undefined) throw new Error('the worker needs --expose-gc');
  for (let turn = 0; turn < 4; turn++) {
    globalThis.gc();
    await setTimeout(20);
  }
  return process.memoryUsage().heapUsed;
}
