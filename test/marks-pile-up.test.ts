import type { LockBackend } from '@holdfast/core';
import { createPostgresBackend } from '@holdfast/postgres';
import { createRedisBackend } from '@holdfast/redis';
import { loadMarks } from '@holdfast/test/backend';
import { startPostgres, startRedis, startZooKeeper } from '@holdfast/test/servers';
import { createZooKeeperBackend } from '@holdfast/zookeeper';
import { Redis } from 'ioredis';
import { createClient } from 'node-zookeeper-client';
import pg from 'pg';
import { describe, expect, it } from 'vitest';

/** A backend, how many marks its store has in it, those that have ended included, and the end of all that. */
interface Loaded {
  readonly backend: LockBackend;
  readonly count: () => Promise<number>;
  readonly close: () => Promise<void>;
}

async function onRedis(): Promise<Loaded> {
  const server = await startRedis();
  const admin = new Redis(server.url);
  return {
    backend: createRedisBackend({ url: server.url }),
    async count() {
      const sizes = await Promise.all((await admin.keys('holdfast.{*}:marks')).map((key) => admin.hlen(key)));
      return sizes.reduce((sum, size) => sum + size, 0);
    },
    async close() {
      admin.disconnect();
      await server.close();
    },
  };
}

async function inTable(): Promise<Loaded> {
  const server = await startPostgres();
  const admin = new pg.Pool({ connectionString: server.url, max: 1 });
  return {
    backend: createPostgresBackend({ connectionString: server.url, strategy: 'table' }),
    async count() {
      const { rows } = await admin.query<{ count: string }>('select count(*) from holdfast.marks');
      return Number(rows[0]?.count);
    },
    async close() {
      await admin.end();
      await server.close();
    },
  };
}

async function inNodesOfZooKeeper(): Promise<Loaded> {
  const server = await startZooKeeper();
  const root = '/marks-pile-up';
  const admin = createClient(`127.0.0.1:${server.port}`, { sessionTimeout: 30_000 });
  admin.connect();
  return {
    backend: createZooKeeperBackend({ connectionString: server.url, root }),
    count: () =>
      new Promise((resolve, reject) => {
        admin.getChildren(`${root}/marks`, (error, names) => (error instanceof Error ? reject(error) : resolve(names.length)));
      }),
    async close() {
      admin.close();
      await server.close();
    },
  };
}

describe('marks that have ended', () => {
  it.concurrent.each([
    { store: 'Redis', open: onRedis, standing: 5_000, surplus: 1_000 },
    { store: 'PostgreSQL', open: inTable, standing: 5_000, surplus: 1_000 },
    { store: 'ZooKeeper', open: inNodesOfZooKeeper, standing: 1_000, surplus: 1_500 },
  ])('do not add up beside those that stand ($store)', { timeout: 120_000 }, async ({ open, standing, surplus }) => {
    const { backend, count, close } = await open();
    try {
      if (backend.marks === undefined) throw new Error('no marks');
      const most = await loadMarks(backend.marks, { standing, perSecond: 100, seconds: 20, count });
      expect(most).toBeGreaterThan(-100);
      expect(most).toBeLessThan(surplus);
    } finally {
      await backend.close();
      await close();
    }
  });
});
