import type { BenchClient } from './library.js';
import { LocalRegister, lostUpdates } from './section.js';

/**
 * Two tasks of each client fight over one name: what a scenario without contention cannot show by itself.
 * Part of the warm-up, never of a measured time.
 *
 * @returns what was wrong, or null
 */
export async function proveExclusion(clients: readonly BenchClient[], name: string): Promise<string | null> {
  const register = new LocalRegister();
  const tasks = clients.flatMap((client) => [client, client]);
  const sectionsEach = 2;
  await Promise.all(
    tasks.map(async (client) => {
      for (let i = 0; i < sectionsEach; i++) {
        const lease = await client.acquire(name);
        await register.add();
        await lease.release();
      }
    }),
  );
  return lostUpdates(register.value, tasks.length * sectionsEach);
}
