import { randomUUID } from 'node:crypto';
import type { LockManager } from '@holdfast/core';
import { createElection } from '@holdfast/election';
import { createPostgresLockManager } from '@holdfast/postgres';
import { createRedisLockManager } from '@holdfast/redis';
import { createRedlockLockManager, initializeNodes } from '@holdfast/redlock';
import { startPostgres, startRedis, startRedisNodes, startZooKeeper, until } from '@holdfast/test/servers';
import { createZooKeeperLockManager } from '@holdfast/zookeeper';
import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { untilAborted } from './candidates.js';

/** A store that tokens come from: its clients, and how it ends. */
interface Store {
  manager(): LockManager;
  close(): Promise<unknown>;
}

// Patient: a busy machine is not what is tested.
const common = { commandTimeoutMs: 10_000 };
const stores: Readonly<Record<string, () => Promise<Store>>> = {
  async Redis() {
    const server = await startRedis();
    return { manager: () => createRedisLockManager({ url: server.url, ...common }), close: () => server.close() };
  },
  async Redlock() {
    const nodes = await startRedisNodes(3);
    await initializeNodes({ urls: nodes.urls });
    return { manager: () => createRedlockLockManager({ urls: nodes.urls, ...common }), close: () => nodes.close() };
  },
  async 'PostgreSQL, advisory'() {
    const server = await startPostgres();
    return { manager: () => createPostgresLockManager({ connectionString: server.url, ...common }), close: () => server.close() };
  },
  async 'PostgreSQL, table'() {
    const server = await startPostgres();
    const strategy = 'table';
    return { manager: () => createPostgresLockManager({ connectionString: server.url, strategy, ...common }), close: () => server.close() };
  },
  async ZooKeeper() {
    const server = await startZooKeeper();
    const connectionString = `127.0.0.1:${server.port}`;
    return { manager: () => createZooKeeperLockManager({ connectionString, ...common }), close: () => server.close() };
  },
};

describe.each(Object.keys(stores))('an election on %s', (name) => {
  it('hands over from one to the next, with terms that rise and a leader that others see', { timeout: 60_000 }, async () => {
    const store = (await stores[name]?.()) as Store;
    const managers = [store.manager(), store.manager()];
    const election = randomUUID();
    const elections = managers.map((manager, index) => createElection(manager, election, { label: `server-${index}`, retryMs: 100 }));
    const terms: bigint[] = [];
    try {
      const runs = elections.map((each) =>
        each.run(async (leadership) => {
          terms.push(leadership.lease.fencingToken);
          await untilAborted(leadership);
        }),
      );
      await until('one leads', () => terms.length === 1, { timeoutMs: 30_000 });
      const first = elections.findIndex((each) => each.health().leading);
      expect(await elections[1 - first]?.leader()).toMatchObject({ label: `server-${first}`, term: terms[0] });
      await elections[first]?.close();
      await until('the other leads', () => terms.length === 2, { timeoutMs: 30_000 });
      expect(terms[1]).toBeGreaterThan(terms[0] ?? 0n);
      await elections[1 - first]?.close();
      await Promise.all(runs);
      expect(await managers[first]?.inspect(`election/${election}`)).toMatchObject({ held: false });
    } finally {
      await Promise.all(managers.map((manager) => manager.close()));
      await store.close();
    }
  });
});

describe('an election over a table of ShedLock', () => {
  it('is refused: it has no tokens', async () => {
    const server = await startPostgres();
    const client = new pg.Client({ connectionString: server.url });
    await client.connect();
    await client.query(
      'create table shedlock (name varchar(64) primary key, lock_until timestamp not null, locked_at timestamp not null, locked_by varchar(255) not null)',
    );
    await client.end();
    const locks = createPostgresLockManager({ connectionString: server.url, strategy: 'table', shedLockTable: 'shedlock' });
    expect(() => createElection(locks, 'x')).toThrow(expect.objectContaining({ code: 'LOCK_UNSUPPORTED', capability: 'fencing' }) as Error);
    await locks.close();
    await server.close();
  });
});
