import { countCpu } from '../cpu.js';
import type { BenchClient } from '../library.js';

/**
 * Takes and frees each name again and again for about `forMs`, all names at the same time.
 *
 * @returns locks taken and freed, a second
 */
export async function flow(client: BenchClient, names: readonly string[], forMs: number): Promise<number> {
  const { pairs, seconds } = await countFlow(client, names, forMs);
  return pairs / seconds;
}

/** What `flow` gave, and what it cost: CPU time in microseconds of one take and its free. */
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
  const [{ pairs, seconds }, { clientMs, serverMs }] = await countCpu(serverPids, () => countFlow(client, names, forMs));
  const perPair = (ms: number): number => (ms * 1_000) / pairs;
  return { rate: pairs / seconds, clientCpu: perPair(clientMs), serverCpu: serverMs === null ? null : perPair(serverMs) };
}

async function countFlow(client: BenchClient, names: readonly string[], forMs: number): Promise<{ pairs: number; seconds: number }> {
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
  return { pairs, seconds: (performance.now() - start) / 1_000 };
}
