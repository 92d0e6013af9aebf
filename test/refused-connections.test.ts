import { once } from 'node:events';
import { createServer } from 'node:net';
import { type LockManager, systemClock } from '@holdfast/core';
import { createPostgresLockManager } from '@holdfast/postgres';
import { createRedisLockManager } from '@holdfast/redis';
import { createRedlockLockManager } from '@holdfast/redlock';
import { describe, expect, it } from 'vitest';

const PAST_ALL_MS = 60_000;

/** How many connections each of three servers met within `ms` that ends each at once, while so many wait, each for a name of its own. */
async function attemptsOf(
  waiters: number,
  ms: number,
  open: (ports: readonly number[]) => LockManager,
): Promise<readonly [number, number, number]> {
  const attempts: [number, number, number] = [0, 0, 0];
  let firstAt: number | null = null;
  const servers = ([0, 1, 2] as const).map((index) =>
    createServer((socket) => {
      firstAt ??= performance.now();
      // A process that has much to do ends the count late.
      if (performance.now() - firstAt < ms) attempts[index] += 1;
      socket.destroy();
    }).listen(0, '127.0.0.1'),
  );
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return address.port;
  });
  const manager = open(ports);
  const waits = Array.from({ length: waiters }, (_, i) => manager.acquire(`refused ${i}`, { waitMs: PAST_ALL_MS }).catch(() => null));
  await new Promise((resolve) => setTimeout(resolve, ms));
  const counted = [...attempts] as const;
  await manager.close();
  await Promise.all(waits);
  for (const server of servers) server.close();
  return counted;
}

const redis = (port: number | undefined): string => `redis://127.0.0.1:${port}`;
const postgres = (port: number | undefined): string => `postgres://nobody@127.0.0.1:${port}/none`;
// Without jitter two managers ask in the same rhythm, so that their attempts can be compared.
const patient = { unavailableAfterMs: PAST_ALL_MS, clock: { ...systemClock, random: () => 0.5 } };

describe('a store that refuses connections', () => {
  it.concurrent.each<readonly [string, (ports: readonly number[]) => LockManager]>([
    ['Redis', ([port]) => createRedisLockManager({ url: redis(port), ...patient })],
    ['Redlock', (ports) => createRedlockLockManager({ urls: ports.map(redis), ...patient })],
    ['PostgreSQL', ([port]) => createPostgresLockManager({ connectionString: postgres(port), ...patient })],
    ['PostgreSQL, table', ([port]) => createPostgresLockManager({ connectionString: postgres(port), strategy: 'table', ...patient })],
  ])('meets as many with 200 waiters as with two (%s)', { timeout: 30_000 }, async (_store, open) => {
    const [few, many] = await Promise.all([attemptsOf(2, 10_000, open), attemptsOf(200, 10_000, open)]);
    expect(few[0]).toBeGreaterThan(10);
    // What has never left is not freed: releases for it, and their repetitions, would be hundreds.
    expect(few[0]).toBeLessThan(80);
    // Each count may be one off, by where in its rhythm the time began and ended.
    for (const [index, attempts] of many.entries()) expect(attempts).toBeLessThanOrEqual((few[index] ?? 0) + 2);
  });
});
