import { isLockError } from '@holdfast/core';
import { createRedisLockManager } from '@holdfast/redis';

// Takes a lock behind others, over and over, and stands still for a while just when it has got it, or somewhere else. Says how often it had the
// lock and what it has lost.

const [url = '', name = '', fair = '', ms = '', seed = ''] = process.argv.slice(2);
const STANDS_STILL_MS = 900;

let random = Number(seed);
const below = (count: number): number => {
  random = (Math.imul(random, 1_103_515_245) + 12_345) >>> 0;
  return (random >>> 8) % count;
};

function standStill(): void {
  const until = performance.now() + STANDS_STILL_MS;
  while (performance.now() < until);
}

const lost: string[] = [];
const locks = createRedisLockManager({
  url,
  fair: fair === 'true',
  ttlMs: 30_000,
  onEvent: (event) => {
    if (event.type === 'lost') lost.push(event.reason);
  },
});
const endsAt = performance.now() + Number(ms);
let grants = 0;
const task = async (): Promise<void> => {
  while (performance.now() < endsAt) {
    const lease = await locks.acquire(name, { waitMs: 20_000 }).catch((error: unknown) => {
      // On a machine with much to do a command may take too long: that costs a turn, and no lease.
      if (isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) return null;
      throw error;
    });
    if (lease === null) continue;
    grants += 1;
    if (below(6) === 0) standStill();
    await new Promise((resolve) => setTimeout(resolve, below(20)));
    if (below(12) === 0) standStill();
    await lease.release().catch(() => {});
  }
};
await Promise.all([task(), task()]);
await locks.close();
process.send?.({ grants, lost });
process.disconnect?.();
