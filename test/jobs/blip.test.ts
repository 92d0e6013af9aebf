import { randomUUID } from 'node:crypto';
import type { LockManager } from '@holdfast/core';
import { createJobLockManager } from '@holdfast/jobs';
import { createPostgresLockManager } from '@holdfast/postgres';
import { createRedisLockManager } from '@holdfast/redis';
import { startPostgres, startRedis, startTcpProxy, type TcpProxy } from '@holdfast/test/servers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const HOUR_MS = 3_600_000;

const blips: readonly (readonly [what: string, blip: (proxy: TcpProxy) => void])[] = [
  ['all connections are reset', (proxy) => proxy.cut()],
  [
    'the network is silent for half a second, and then all connections are reset',
    (proxy) => {
      proxy.silence();
      setTimeout(() => {
        proxy.cut();
        void proxy.restore();
      }, 500);
    },
  ],
  [
    'the network is silent for longer than a command may take',
    (proxy) => {
      proxy.silence();
      setTimeout(() => {
        proxy.cut();
        void proxy.restore();
      }, 2_500);
    },
  ],
];

const stores = [
  ['Redis', startRedis, (url: string) => createRedisLockManager({ url })],
  ['PostgreSQL, advisory', startPostgres, (url: string) => createPostgresLockManager({ connectionString: url })],
  ['PostgreSQL, table', startPostgres, (url: string) => createPostgresLockManager({ connectionString: url, strategy: 'table' })],
] as const;

describe.each(stores)('a job on %s, as whose work ends', (_, start, open) => {
  let server: Awaited<ReturnType<typeof start>>;
  let proxy: TcpProxy;
  let [mine, theirs]: readonly LockManager[] = [];

  beforeAll(async () => {
    server = await start();
    proxy = await startTcpProxy({ target: server.url });
    [mine, theirs] = [open(proxy.urlFor(server.url)), open(server.url)];
    await Promise.all([mine, theirs].map((locks) => locks.withLock('warm', () => {})));
  });
  afterAll(async () => {
    await mine?.close();
    await theirs?.close();
    await proxy?.close();
    await server?.close();
  });

  it.each(blips)('%s, is run once', { timeout: 60_000 }, async (__, blip) => {
    if (mine === undefined || theirs === undefined) throw new Error('not started');
    const name = randomUUID();
    const run = createJobLockManager(mine).runOnce(name, { windowMs: HOUR_MS }, () => {
      blip(proxy);
      return 'done';
    });
    expect(await run).toEqual({ ran: true, value: 'done' });
    expect(await createJobLockManager(theirs).runOnce(name, { windowMs: HOUR_MS }, () => 'again')).toEqual({
      ran: false,
      because: 'not-due',
    });
  });
});
