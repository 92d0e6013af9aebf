import { countCpu } from '../cpu.js';
import type { BenchClient } from '../library.js';

interface Flowed {
  readonly pairs: number;
  readonly seconds: number;
}

/**
 * Takes and frees each name again and again for about `forMs`, all names at the same time.
 *
 * @returns locks taken and freed, a second
 */
export async function flow(client: BenchClient, names: readonly string[], forMs: number): Promise<number> {
  return rateOf(await flowOf(client, names, forMs));
}

/** What a flow gave, and what it cost: CPU time in microseconds of one take and its free. */
export interface CostedFlow {
  readonly rate: number;
  readonly clientCpu: number;
  /** null where the server is not a process of this machine. */
  readonly serverCpu: number | null;
}

/** The same, with the CPU time of both sides. */
export async function costFlow(
  client: BenchClient,
  names: readonly string[],
  { forMs, serverPids }: { readonly forMs: number; readonly serverPids: readonly number[] },
): Promise<CostedFlow> {
  const [flowed, { clientMs, serverMs }] = await countCpu(serverPids, () => flowOf(client, names, forMs));
  const perPair = (ms: number): number => (ms * 1_000) / flowed.pairs;
  return { rate: rateOf(flowed), clientCpu: perPair(clientMs), serverCpu: serverMs === null ? null : perPair(serverMs) };
}

/** Takes and frees one name after the other, so many at a time, until `least` were and `forMs` have passed. */
export async function flowOver(
  client: BenchClient,
  nameAt: (index: number) => string,
  { inFlight, least, forMs }: { readonly inFlight: number; readonly least: number; readonly forMs: number },
): Promise<number> {
  const start = performance.now();
  let next = 0;
  const isOver = (): boolean => next >= least && performance.now() >= start + forMs;
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (!isOver()) {
        const lease = await client.acquire(nameAt(next++));
        await lease.release();
      }
    }),
  );
  return rateOf({ pairs: next, seconds: secondsSince(start) });
}

async function flowOf(client: BenchClient, names: readonly string[], forMs: number): Promise<Flowed> {
  let pairs = 0;
  const start = performance.now();
  const end = start + forMs;
  await Promise.all(
    names.map(async (name) => {
      while (performance.now() < end) {
        const lease = await client.acquire(name);
        pairs++;
        await lease.release();
      }
    }),
  );
  return { pairs, seconds: secondsSince(start) };
}

function rateOf({ pairs, seconds }: Flowed): number {
  return pairs / seconds;
}

function secondsSince(start: number): number {
  return (performance.now() - start) / 1_000;
}
