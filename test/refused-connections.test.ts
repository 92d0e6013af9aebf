import { once } from 'node:events';
import { createServer } from 'node:net';
import { type LockManager, systemClock } from '@holdfast/core';
import { createPostgresLockManager } from '@holdfast/postgres';
import { createRedisLockManager } from '@holdfast/redis';
import { createRedlockLockManager } from '@holdfast/redlock';
import { until } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';

const PAST_ALL_MS = 60_000;

/** Three servers that end each connection at once, and a manager for which so many wait, each for a name of its own. */
async function refused(waiters: number, open: (ports: readonly number[]) => LockManager) {
  /** How many connections each server met. */
  const attempts: [number, number, number] = [0, 0, 0];
  const servers = ([0, 1, 2] as const).map((index) =>
    createServer((socket) => {
      attempts[index] += 1;
      socket.destroy();
    }).listen(0, '127.0.0.1'),
  );
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return address.port;
  });
  let waits: readonly Promise<unknown>[] = [];
  const manager = open(ports);
  return {
    attempts,
    begin(): void {
      waits = Array.from({ length: waiters }, (_, i) => manager.acquire(`refused ${i}`, { waitMs: PAST_ALL_MS }).catch(() => null));
    },
    async close(): Promise<void> {
      await manager.close();
      await Promise.all(waits);
      for (const server of servers) server.close();
    },
  };
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
  ])('meets as many with 200 waiters as with two (%s)', async (_store, open) => {
    const [few, many] = await Promise.all([refused(2, open), refused(200, open)]);
    few.begin();
    many.begin();
    await new Promise((resolve) => setTimeout(resolve, 10_000));
    // A process that has much to do comes later to each attempt; one that tries ever more seldom does not come to so many.
    await until('more than ten attempts', () => few.attempts[0] > 10, { timeoutMs: PAST_ALL_MS / 2 });
    // Both at one moment, or a late one would have counted for longer.
    const [fewMet, manyMet] = [[...few.attempts], [...many.attempts]];
    await Promise.all([few.close(), many.close()]);
    // What has never left is not freed: releases for it, and their repetitions, would be hundreds.
    expect(fewMet[0]).toBeLessThan(80);
    // Each count may be one off, by where in its rhythm the time began and ended.
    for (const [index, met] of manyMet.entries()) expect(met).toBeLessThanOrEqual((fewMet[index] ?? 0) + 2);
  });
});
