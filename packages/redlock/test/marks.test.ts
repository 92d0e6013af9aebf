import { createLockManager } from '@holdfast/core';
import { createRedlockBackend, initializeNodes } from '@holdfast/redlock';
import { loadMarks, newOwner } from '@holdfast/test/backend';
import { type RedisNodes, startRedisNodes } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, it } from 'vitest';

let started: RedisNodes;
let admins: readonly Redis[];

beforeAll(async () => {
  started = await startRedisNodes(3);
  admins = started.nodes.map(({ port }) => new Redis(port));
  await initializeNodes({ urls: started.urls });
});
afterAll(async () => {
  for (const admin of admins) admin.disconnect();
  await started.close();
});

it('marks that have ended do not add up on the nodes', { timeout: 120_000 }, async () => {
  const backend = createRedlockBackend({ urls: started.urls });
  const count = async (): Promise<number> => Math.max(...(await Promise.all(admins.map((admin) => admin.hlen('holdfast.redlock:marks')))));
  try {
    const { marks } = backend;
    if (marks === undefined) throw new Error('no marks');
    const most = await loadMarks(marks, { standing: 2_000, perSecond: 100, seconds: 20, count });
    expect(most).toBeGreaterThan(-100);
    expect(most).toBeLessThan(1_000);
  } finally {
    await backend.close();
  }
});

it('a mark that was won, and kept by a minority only, is its owner’s when it asks once more', async () => {
  const locks = createLockManager(createRedlockBackend({ urls: started.urls }));
  const owner = newOwner();
  const name = 'half kept';
  try {
    expect(await locks.marks?.set(name, { retentionMs: 600_000, owner })).toBe(true);
    // As it stands before the second step: provisional on all nodes.
    for (const admin of admins) {
      const key = `holdfast:${name}`;
      const [entry = ''] = await admin.hmget('holdfast.redlock:marks', key);
      const [token = '', setAt = '', , , ...label] = (entry ?? '').split(':');
      await admin.hset('holdfast.redlock:marks', key, [token, setAt, String(Date.now() + 8_000), '0', ...label].join(':'));
    }
    expect(await locks.marks?.set(name, { retentionMs: 600_000, owner: newOwner() })).toBe(false);
    expect(await locks.marks?.set(name, { retentionMs: 600_000, owner })).toBe(true);
    expect((await locks.marks?.get(name))?.remainingMs).toBeGreaterThan(500_000);
  } finally {
    await locks.close();
  }
});
