import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { isLockError, type LockManager } from '@holdfast/core';
import { createJobLockManager, type JobLockManager } from '@holdfast/jobs';
import { createPostgresLockManager } from '@holdfast/postgres';
import { createRedisLockManager } from '@holdfast/redis';
import { createRedlockLockManager, initializeNodes } from '@holdfast/redlock';
import { startPostgres, startRedis, startRedisNodes, startTcpProxy, startZooKeeper, type TcpProxy } from '@holdfast/test/servers';
import { createZooKeeperLockManager } from '@holdfast/zookeeper';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const HOUR_MS = 3_600_000;

const blips = [
  ['all connections are reset', async (proxy) => proxy.cut()],
  ['the network is silent for half a second, and then all connections are reset', (proxy) => silence(proxy, 500)],
  ['the network is silent for longer than a command may take', (proxy) => silence(proxy, 2_500)],
] as const satisfies readonly (readonly [what: string, blip: (proxy: TcpProxy) => Promise<void>])[];

/** Resolves when the line works again: what comes next must not meet the end of it. */
async function silence(proxy: TcpProxy, ms: number): Promise<void> {
  proxy.silence();
  await sleep(ms);
  proxy.cut();
  await proxy.restore();
}

/** What one server does, and then another, each naming what it begins. */
interface Work {
  readonly id: string;
  readonly begin: (what: string) => unknown;
  readonly blip: () => void;
}

const uses: readonly (readonly [what: string, use: (jobs: JobLockManager, work: Work) => Promise<unknown>])[] = [
  [
    'a message, at most once, as it is locked or claimed, and delivered until it is',
    async (jobs, { id, begin, blip }) => {
      const isBlown = sleep(randomInt(6)).then(blip);
      for (;;) {
        try {
          // oxlint-disable-next-line no-await-in-loop
          const outcome = await jobs.processOnce(id, { guarantee: 'at-most-once' }, () => begin('message'));
          // oxlint-disable-next-line no-await-in-loop
          await isBlown;
          return outcome;
        } catch (error) {
          if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) throw error;
        }
        // oxlint-disable-next-line no-await-in-loop
        await sleep(50);
      }
    },
  ],
  [
    'an element that is unlocked too soon',
    async (jobs, { id, begin, blip }) => {
      if (!(await jobs.lock('job', id))) return;
      begin('element');
      blip();
      await jobs.unlock('job', id);
    },
  ],
  [
    'a run that fails, with a least time',
    async (jobs, { id, begin, blip }) => {
      const fail = (): never => {
        begin('run');
        blip();
        throw new Error('failed');
      };
      await jobs.runOnce(id, { windowMs: HOUR_MS, lockAtLeastMs: HOUR_MS }, fail).catch(() => {});
    },
  ],
  [
    'a batch, in the midst of it',
    async (jobs, { id, begin, blip }) => {
      const items = Array.from({ length: 12 }, (_, index) => `${id} ${index}`);
      const options = { key: (item: string) => item, maxHoldMs: 60_000, concurrency: 3, retentionMs: HOUR_MS };
      await jobs.forEachExclusive(items, options, (item) => {
        begin(item);
        if (item.endsWith(' 4')) blip();
      });
    },
  ],
];

interface World {
  /** Through lines that can be disturbed, and directly. */
  readonly mine: LockManager;
  readonly theirs: LockManager;
  readonly lines: readonly TcpProxy[];
  close(): Promise<void>;
}

interface Server {
  readonly url: string;
  close(): Promise<void>;
}

const onOne = (start: () => Promise<Server>, open: (url: string) => LockManager) => async (): Promise<World> => {
  const server = await start();
  const line = await startTcpProxy({ target: server.url });
  return { mine: open(line.urlFor(server.url)), theirs: open(server.url), lines: [line], close: () => server.close() };
};

async function onNodes(): Promise<World> {
  const started = await startRedisNodes(3);
  await initializeNodes({ urls: started.urls });
  const lines = await Promise.all(started.nodes.map(({ port }) => startTcpProxy({ target: port })));
  const mine = createRedlockLockManager({ urls: started.urls.map((url, index) => lines[index]?.urlFor(url) ?? url) });
  return { mine, theirs: createRedlockLockManager({ urls: started.urls }), lines, close: () => started.close() };
}

const stores = [
  ['Redis', onOne(startRedis, (url) => createRedisLockManager({ url }))],
  ['Redlock', onNodes],
  ['PostgreSQL, advisory', onOne(startPostgres, (url) => createPostgresLockManager({ connectionString: url }))],
  ['PostgreSQL, table', onOne(startPostgres, (url) => createPostgresLockManager({ connectionString: url, strategy: 'table' }))],
  ['ZooKeeper', onOne(startZooKeeper, (url) => createZooKeeperLockManager({ connectionString: url }))],
] as const;

// Each store has its own servers and lines, and its tests wait; those of one store meet on its lines.
describe.concurrent.each(stores)('a job on %s, as whose work ends', (_, open) => {
  let world: World;

  beforeAll(async () => {
    world = await open();
    await Promise.all([world.mine, world.theirs].map((locks) => locks.withLock('warm', () => {})));
  });
  afterAll(async () => {
    await world?.mine.close();
    await world?.theirs.close();
    await Promise.all((world?.lines ?? []).map((line) => line.close()));
    await world?.close();
  });

  it.each(blips)('%s, is run once', { timeout: 60_000, concurrent: false }, async (__, blip) => {
    const name = randomUUID();
    const ends: Promise<void>[] = [];
    const run = createJobLockManager(world.mine).runOnce(name, { windowMs: HOUR_MS }, () => {
      for (const line of world.lines) ends.push(blip(line));
      return 'done';
    });
    expect(await run).toEqual({ ran: true, value: 'done' });
    await Promise.all(ends);
    expect(await createJobLockManager(world.theirs).runOnce(name, { windowMs: HOUR_MS }, () => 'again')).toEqual({
      ran: false,
      because: 'not-due',
    });
  });

  it.each(uses)(
    '%s: the network is silent for half a second, and nothing is done twice',
    { timeout: 60_000, concurrent: false },
    async (__, use) => {
      const begun: string[] = [];
      const id = randomUUID();
      const ends: Promise<void>[] = [];
      const blip = (): void => {
        for (const line of world.lines) ends.push(silence(line, 500));
      };
      const work = { id, begin: (what: string) => begun.push(what), blip };
      await use(createJobLockManager(world.mine, { lockAtLeastMs: HOUR_MS }), work);
      await Promise.all(ends);
      await use(createJobLockManager(world.theirs, { lockAtLeastMs: HOUR_MS }), { ...work, blip: () => {} });
      expect(begun).toEqual([...new Set(begun)]);
      expect(begun).not.toEqual([]);
    },
  );
});
