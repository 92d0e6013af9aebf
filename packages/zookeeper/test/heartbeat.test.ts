import { createLockManager } from '@holdfast/core';
import { newName } from '@holdfast/test/backend';
import { startZooKeeperEnsemble, until, type ZooKeeperEnsemble } from '@holdfast/test/servers';
import { createZooKeeperBackend } from '@holdfast/zookeeper';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { breakHeartbeat } from './mutants/reading-heartbeat.js';
import { driver, newRoot } from './zookeeper-harness.js';

const SESSION_MS = 5000;
const { createClient } = driver;
let ensemble: ZooKeeperEnsemble;

beforeAll(async () => {
  // A follower that hears nothing from its leader goes on answering reads and pings for twenty seconds.
  ensemble = await startZooKeeperEnsemble({ config: { syncLimit: 100 } });
});
afterEach(() => {
  driver.createClient = createClient;
});
afterAll(() => ensemble.close());

/** A holder whose server is cut off from the leader: whether it still believes in its hold when the ensemble may have given it to others. */
async function believesTooLong(): Promise<boolean> {
  const [follower] = await ensemble.followers();
  const leader = await ensemble.leader();
  const connectionString = `${follower?.host}:${follower?.port}`;
  const backend = createZooKeeperBackend({ connectionString, root: newRoot(), sessionTimeoutMs: SESSION_MS });
  const manager = createLockManager(backend, { commandTimeoutMs: 500 });
  try {
    const lease = await manager.acquire(newName(), { ttlMs: 60_000, waitMs: 20_000 });
    await leader.pause();
    const end = performance.now() + SESSION_MS;
    await until('the session may be over', () => lease.signal.aborted || performance.now() > end, { timeoutMs: 20_000 });
    return lease.isHeld;
  } finally {
    await leader.continue();
    await manager.close();
  }
}

describe('a server that is cut off from its leader', () => {
  it('fools nobody, though it goes on answering', async () => {
    expect(await believesTooLong()).toBe(false);
  }, 30_000);

  it('would fool a holder whose heartbeat only reads', async () => {
    driver.createClient = (...args) => {
      const client = createClient(...args);
      breakHeartbeat(client);
      return client;
    };
    expect(await believesTooLong()).toBe(true);
  }, 30_000);
});
