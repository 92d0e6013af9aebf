import type { BenchClient } from '../library.js';

/**
 * Takes and frees each name again and again for about `forMs`, all names at the same time.
 *
 * @returns locks taken and freed, a second
 */
export async function flow(client: BenchClient, names: readonly string[], forMs: number): Promise<number> {
  let sections = 0;
  const start = performance.now();
  const end = start + forMs;
  await Promise.all(
    names.map(async (name) => {
      while (performance.now() < end) {
        const lease = await client.acquire(name);
        sections++;
        await lease.release();
      }
    }),
  );
  return (sections / (performance.now() - start)) * 1_000;
}
