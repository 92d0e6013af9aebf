import { type PostgresServer, startPostgres, startRedis } from '@holdfast/test/servers';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startExample } from './example.js';

let postgres: PostgresServer;

beforeAll(async () => {
  postgres = await startPostgres();
});
afterAll(() => postgres?.close());

/** Tables that a run has left. */
async function left(): Promise<readonly string[]> {
  const client = new pg.Client(postgres.url);
  await client.connect();
  const { rows } = await client.query<{ tablename: string }>(`SELECT tablename FROM pg_tables WHERE tablename ~ '^holdfast_[0-9a-f]{12}_'`);
  await client.end();
  return rows.map(({ tablename }) => tablename);
}

describe('the update of a field', () => {
  it.each(['Redis', 'a table of the same database'])(
    'loses nothing under a lock in %s, although a worker stands still with it and comes back',
    async (where) => {
      await using redis = await startRedis();
      const urls = where === 'Redis' ? [postgres.url, redis.url] : [postgres.url];
      await using example = startExample('field-update/main.ts', { HOLDFAST_URL: undefined }, urls);
      await example.succeeds();
      expect(example.output).toMatch(/=> \d+ of 18 dates are there; [1-9]\d* were written over\.\n/);
      expect(example.output).toMatch(/worker-1 has the lock, has read the field, and stands still\n {3}the others are done;/);
      expect(example.output).toMatch(/refused 1 time\(s\) by the fencing token, and made again\n=> 18 of 18 dates are there\.\n$/);
      expect(await left()).toEqual([]);
    },
    90_000,
  );

  it('says how it is started', async () => {
    await using example = startExample('field-update/main.ts', { HOLDFAST_URL: undefined });
    expect(await example.exitCode).toBe(2);
    expect(example.output).toMatch(/main\.js postgres:\/\//);
  });
});
