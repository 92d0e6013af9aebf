import { createLockManager } from '@holdfast/core';
import { calm, World } from '@holdfast/test/simulation';
import { Deployment } from './deployment.js';

const MANAGERS = 4;
const TASKS_EACH = 3;
const FOR_MS = 1000;

/** How 12 tasks of 4 managers get on that all want one of a few permits, again and again. */
export interface PermitFlow {
  /** How many permits tasks had, on average over time. */
  readonly inUse: number;
  /** How many they ever had at a time. */
  readonly most: number;
  readonly longestWaitMs: number;
}

/** Whole managers over simulated nodes; messages take `delayMs` each way, in order. The same seed gives the same figures. */
export async function measurePermitFlow(
  seed: number,
  { delayMs: [fastestMs, slowestMs], sectionMs, permits }: { delayMs: readonly [number, number]; sectionMs: number; permits: number },
): Promise<PermitFlow> {
  const world = new World(seed);
  const deployment = new Deployment(world, { ...calm, fastestMs, slowestMs, keepsOrder: true });
  let [inUse, since, used, most, longestWaitMs] = [0, 0, 0, 0, 0];
  const count = (by: number): void => {
    used += inUse * (world.now - since);
    since = world.now;
    inUse += by;
    most = Math.max(most, inUse);
  };
  const managers = Array.from({ length: MANAGERS }, (_, index) => {
    const { backend, clock } = deployment.client(`c${index}`);
    return createLockManager(backend, { clock });
  });
  const tasks = managers.flatMap((manager) => Array.from({ length: TASKS_EACH }, () => manager.semaphore('n', { permits })));
  for (const semaphore of tasks) {
    void (async () => {
      while (world.now < FOR_MS) {
        const startedAt = world.now;
        const lease = await semaphore.acquire();
        longestWaitMs = Math.max(longestWaitMs, world.now - startedAt);
        count(1);
        await world.sleep(sectionMs);
        count(-1);
        await lease.release();
      }
    })();
  }
  await world.run(FOR_MS);
  count(0);
  const figures = { inUse: used / FOR_MS, most, longestWaitMs };
  // All come to an end: nobody waits for ever.
  await world.run(2 * FOR_MS);
  for (const manager of managers) void manager.close();
  await world.run(3 * FOR_MS);
  return figures;
}
