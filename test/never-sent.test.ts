import { createLockManager, isLockError, type LockBackend, type LockManager } from '@holdfast/core';
import { createPostgresBackend } from '@holdfast/postgres';
import { createRedisBackend } from '@holdfast/redis';
import { createRedlockBackend } from '@holdfast/redlock';
import { reservePort } from '@holdfast/test/servers';
import { createZooKeeperBackend } from '@holdfast/zookeeper';
import { describe, expect, it, onTestFinished } from 'vitest';

/** Ports at which nobody listens. */
type Ports = readonly [number, number, number];

const stores: readonly (readonly [string, (ports: Ports) => LockBackend])[] = [
  ['Redis', ([port]) => createRedisBackend({ url: `redis://127.0.0.1:${port}` })],
  ['Redlock', (ports) => createRedlockBackend({ urls: ports.map((port) => `redis://127.0.0.1:${port}`) })],
  ['PostgreSQL', ([port]) => createPostgresBackend({ connectionString: `postgres://nobody@127.0.0.1:${port}/none` })],
  [
    'PostgreSQL, table',
    ([port]) => createPostgresBackend({ connectionString: `postgres://nobody@127.0.0.1:${port}/none`, strategy: 'table' }),
  ],
  ['ZooKeeper', ([port]) => createZooKeeperBackend({ connectionString: `127.0.0.1:${port}` })],
];

const calls: Readonly<Record<string, (locks: LockManager) => Promise<unknown>>> = {
  acquire: (locks) => locks.acquire('x', { waitMs: 1_000 }),
  tryAcquire: (locks) => locks.tryAcquire('x'),
  tryAcquireEach: (locks) => locks.tryAcquireEach(['x', 'y']),
  'semaphore.acquire': (locks) => locks.semaphore('x', { permits: 2 }).acquire({ waitMs: 1_000 }),
  'read.tryAcquire': (locks) => locks.readWriteLock('x').read.tryAcquire(),
  inspect: (locks) => locks.inspect('x'),
  forceRelease: (locks) => locks.forceRelease('x'),
  list: async (locks) => {
    for await (const _ of locks.list()) throw new Error('nothing can be listed');
  },
};

describe.each(stores)('%s, where nobody listens', (_store, open) => {
  it('says of every call that nothing was sent', async () => {
    const ports = await Promise.all([reservePort(), reservePort(), reservePort()]);
    onTestFinished(() => {
      for (const port of ports) port.release();
    });
    const [one, two, three] = ports;
    const locks = createLockManager(open([one.port, two.port, three.port]), { unavailableAfterMs: 300, commandTimeoutMs: 1_000 });
    const said: Record<string, unknown> = {};
    for (const [name, call] of Object.entries(calls)) {
      if (name === 'list' && !locks.capabilities.list) continue;
      const error: unknown = await call(locks).catch((failure: unknown) => failure);
      said[name] = isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') ? error.wasSent : error;
    }
    expect(said).toEqual(Object.fromEntries(Object.keys(said).map((name) => [name, false])));
    await locks.close();
  });
});
