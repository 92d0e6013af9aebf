import { setImmediate as nextTurn } from 'node:timers/promises';
import type { LockManager } from '@holdfast/core';
import { createPostgresLockManager } from '@holdfast/postgres';
import { createRedisLockManager } from '@holdfast/redis';
import { createRedlockLockManager, initializeNodes } from '@holdfast/redlock';
import { newName } from '@holdfast/test/backend';
import { startPostgres, startRedis, startRedisNodes, until } from '@holdfast/test/servers';
import { describe, expect, it, onTestFinished } from 'vitest';

const COMMAND_MS = 400;
const STANDS_STILL_MS = 600;

/** The event loop stands still, as in a process that is stopped or has much to compute: what comes in is read later. */
function standStill(): void {
  const end = performance.now() + STANDS_STILL_MS;
  while (performance.now() < end);
}

const stores: Record<string, () => Promise<LockManager<bigint>>> = {
  Redis: async () => {
    const server = await startRedis();
    onTestFinished(() => server.close());
    return createRedisLockManager({ url: server.url, commandTimeoutMs: COMMAND_MS });
  },
  Redlock: async () => {
    const nodes = await startRedisNodes(3);
    onTestFinished(() => nodes.close());
    await initializeNodes({ urls: nodes.urls });
    return createRedlockLockManager({ urls: nodes.urls, commandTimeoutMs: COMMAND_MS });
  },
  PostgreSQL: () => onPostgres('advisory'),
  'PostgreSQL, table': () => onPostgres('table'),
};

async function onPostgres(strategy: 'advisory' | 'table'): Promise<LockManager<bigint>> {
  const server = await startPostgres();
  onTestFinished(() => server.close());
  return createPostgresLockManager({ connectionString: server.url, strategy, commandTimeoutMs: COMMAND_MS });
}

describe.each(Object.keys(stores))('a process that stands still for longer than a command may take (%s)', (store) => {
  it('makes use of the answers that came in the meantime', async () => {
    const locks = await stores[store]?.();
    if (locks === undefined) throw new Error('no such store');
    onTestFinished(() => locks.close());
    const name = newName();
    // The first of each kind may have to make a connection, or to send a script.
    await until('the first of each kind has been answered', async () => {
      const first = await locks.acquire(newName());
      await first.extend(60_000);
      return await first.release();
    });

    const granting = locks.acquire(name);
    await nextTurn();
    standStill();
    const lease = await granting;
    expect(lease.isHeld).toBe(true);

    const extending = lease.extend(60_000);
    await nextTurn();
    standStill();
    await extending;

    const freeing = lease.release();
    await nextTurn();
    standStill();
    expect(await freeing).toBe(true);
  });
});
