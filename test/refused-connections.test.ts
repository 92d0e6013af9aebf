import { createServer } from 'node:net';
import { once } from 'node:events';
import type { LockManager } from '@holdfast/core';
import { createPostgresLockManager } from '@holdfast/postgres';
import { createRedisLockManager } from '@holdfast/redis';
import { describe, expect, it } from 'vitest';

const PAST_ALL_MS = 60_000;

/** How many connections a server met within `ms` that ends each one at once, while so many wait, each for a name of its own. */
async function attemptsOf(waiters: number, ms: number, open: (port: number) => LockManager): Promise<number> {
  let attempts = 0;
  const server = createServer((socket) => {
    attempts += 1;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const manager = open(address.port);
  const waits = Array.from({ length: waiters }, (_, i) => manager.acquire(`refused ${i}`, { waitMs: PAST_ALL_MS }).catch(() => null));
  await new Promise((resolve) => setTimeout(resolve, ms));
  const counted = attempts;
  await manager.close();
  await Promise.all(waits);
  server.close();
  return counted;
}

describe('a store that refuses connections', () => {
  it.each<readonly [string, (port: number) => LockManager]>([
    ['Redis', (port) => createRedisLockManager({ url: `redis://127.0.0.1:${port}`, unavailableAfterMs: PAST_ALL_MS })],
    [
      'PostgreSQL',
      (port) =>
        createPostgresLockManager({ connectionString: `postgres://nobody@127.0.0.1:${port}/none`, unavailableAfterMs: PAST_ALL_MS }),
    ],
    [
      'PostgreSQL, table',
      (port) =>
        createPostgresLockManager({
          connectionString: `postgres://nobody@127.0.0.1:${port}/none`,
          strategy: 'table',
          unavailableAfterMs: PAST_ALL_MS,
        }),
    ],
  ])('meets about as many of them with 200 waiters as with two (%s)', async (_, open) => {
    const [few, many] = await Promise.all([attemptsOf(2, 5_000, open), attemptsOf(200, 5_000, open)]);
    expect(few).toBeGreaterThan(2);
    // The pauses have jitter: two runs alike differ by some.
    expect(many).toBeLessThanOrEqual(few + 4);
  });
});
