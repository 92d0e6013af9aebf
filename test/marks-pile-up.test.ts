import type { LockBackend } from '@holdfast/core';
import { createPostgresBackend } from '@holdfast/postgres';
import { createRedisBackend } from '@holdfast/redis';
import { loadMarks } from '@holdfast/test/backend';
import { startPostgres, startRedis } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
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

describe('marks that have ended', () => {
  it.concurrent.each([
    ['Redis', onRedis],
    ['PostgreSQL', inTable],
  ] as const)('do not add up beside those that stand (%s)', { timeout: 120_000 }, async (_store, open) => {
    const { backend, count, close } = await open();
    try {
      if (backend.marks === undefined) throw new Error('no marks');
      const most = await loadMarks(backend.marks, { standing: 5_000, perSecond: 100, seconds: 20, count });
      expect(most).toBeGreaterThan(-100);
      expect(most).toBeLessThan(1_000);
    } finally {
      await backend.close();
      await close();
    }
  });
});
