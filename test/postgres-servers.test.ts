import { type PostgresServer, startPgBouncer, startPostgres, startPostgresWithStandby, until } from '@holdfast/test/servers';
import { Client } from 'pg';
import { describe, expect, test, vi } from 'vitest';

/** One connection, one value. */
async function ask(server: { readonly url: string }, sql: string, withinMs = 20_000): Promise<unknown> {
  const client = new Client({ connectionString: server.url, connectionTimeoutMillis: withinMs, query_timeout: withinMs });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query<Record<string, unknown>>(sql);
    return Object.values(rows[0] ?? {})[0];
  } finally {
    // A stopped server never says goodbye.
    void client.end().catch(() => {});
  }
}

const answers = (server: PostgresServer): Promise<boolean> =>
  ask(server, 'select 1', 1_000).then(
    () => true,
    () => false,
  );

describe('a PostgreSQL server', () => {
  test('answers with its settings, stands still with all its processes, and goes on', async () => {
    await using server = await startPostgres({ config: { max_connections: 17 } });
    expect(await ask(server, 'show max_connections')).toBe('17');
    const client = new Client({ connectionString: server.url });
    client.on('error', () => {});
    await client.connect();
    await server.pause();
    let isAnswered = false;
    const pending = client.query('select 1').then(() => {
      isAnswered = true;
    });
    expect(await answers(server)).toBe(false);
    expect(isAnswered).toBe(false);
    await server.continue();
    await pending;
    await client.end();
  });

  test('keeps its data over a kill and a proper restart, on the same port', async () => {
    await using server = await startPostgres({ config: {} });
    await ask(server, 'create table kept (n int)');
    await server.kill();
    expect([server.isRunning, await answers(server)]).toEqual([false, false]);
    await server.restart();
    expect(await ask(server, 'select count(*)::int from kept')).toBe(0);
    await server.restart();
    expect(await ask(server, 'select count(*)::int from kept')).toBe(0);
  });

  test('says what was wrong when it cannot start', async () => {
    await expect(startPostgres({ config: { no_such_setting: 1 } })).rejects.toThrow(/no_such_setting/);
  });

  test('is reached through a wire when it is given by its address', async () => {
    await using real = await startPostgres({ config: {} });
    vi.stubEnv('HOLDFAST_TEST_SERVERS', '');
    vi.stubEnv('HOLDFAST_TEST_POSTGRES_URL', real.url);
    try {
      await using server = await startPostgres();
      expect(server.source).toBe('address');
      await until('it answers', () => answers(server));
      await server.kill();
      expect(await answers(server)).toBe(false);
      await server.restart();
      await until('it answers again', () => answers(server));
    } finally {
      vi.unstubAllEnvs();
    }
  });
});

test('a standby follows its primary, and takes over when it is promoted', async () => {
  await using servers = await startPostgresWithStandby();
  await ask(servers.primary, 'create table copied (n int)');
  await until('the table is on the standby', async () => (await ask(servers.standby, 'select count(*)::int from copied')) === 0);
  expect(await ask(servers.standby, 'select pg_is_in_recovery()')).toBe(true);
  await servers.primary.kill();
  await ask(servers.standby, 'select pg_promote()');
  expect(await ask(servers.standby, 'select pg_is_in_recovery()')).toBe(false);
});

test.each(['session', 'transaction'] as const)('PgBouncer pools in %s mode', async (mode) => {
  await using server = await startPostgres();
  await using pooler = await startPgBouncer({ serverPort: server.port, mode, poolSize: 2 });
  const clients = [1, 2].map(() => new Client({ connectionString: pooler.url }));
  for (const client of clients) await client.connect();
  const [first, second] = clients;
  const pid = async (client: Client | undefined): Promise<unknown> => (await client?.query('select pg_backend_pid() as pid'))?.rows[0];
  const before = await pid(first);
  await second?.query('begin');
  const other = await pid(second);
  // In transaction mode the other client's transaction has taken the process that served the first one.
  expect(JSON.stringify(other) === JSON.stringify(before)).toBe(mode === 'transaction');
  expect(JSON.stringify(await pid(first)) === JSON.stringify(before)).toBe(mode === 'session');
  for (const client of clients) await client.end();
});
