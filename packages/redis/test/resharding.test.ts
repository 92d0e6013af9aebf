import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { isLockError } from '@holdfast/core';
import type { RedisClient } from '@holdfast/redis';
import { attempt, callOf, free, newName, requestOf, take } from '@holdfast/test/backend';
import { type RedisCluster, startRedisCluster, until } from '@holdfast/test/servers';
import { Cluster, Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { slotOf } from '../src/key-slot.js';
import { createRedisBackend, createRedisLockManager } from './chosen-driver.js';

let cluster: RedisCluster;
let admins: readonly Redis[];

beforeAll(async () => {
  cluster = await startRedisCluster({ nodeTimeoutMs: 2000 });
  admins = cluster.masters.map(({ port }) => new Redis(port));
});
afterAll(async () => {
  for (const admin of admins) admin.disconnect();
  await cluster.close();
});

/** One slot on its way from the first master to the second. */
class Move {
  readonly #slot: number;
  readonly #from = admins[0] as Redis;
  readonly #to = admins[1] as Redis;

  constructor(name: string) {
    this.#slot = slotOf(`holdfast:${name}`);
  }

  static readonly #moved = new Set<number>();

  /** In a slot that no test before has moved away. */
  static nameOnFirst(): string {
    for (;;) {
      const name = newName();
      const slot = slotOf(`holdfast:${name}`);
      if (slot < 5000 && !Move.#moved.has(slot)) {
        Move.#moved.add(slot);
        return name;
      }
    }
  }

  async begin(): Promise<void> {
    await this.#to.cluster('SETSLOT', this.#slot, 'IMPORTING', await this.#id(this.#from));
    await this.#from.cluster('SETSLOT', this.#slot, 'MIGRATING', await this.#id(this.#to));
  }

  async keys(): Promise<void> {
    for (;;) {
      const keys = await this.#from.cluster('GETKEYSINSLOT', this.#slot, 100);
      if (keys.length === 0) return;
      await this.#from.call('MIGRATE', '127.0.0.1', String(cluster.masters[1]?.port), '', '0', '5000', 'KEYS', ...keys);
    }
  }

  async end(): Promise<void> {
    const id = await this.#id(this.#to);
    for (const admin of [this.#to, this.#from, ...admins.slice(2)]) await admin.cluster('SETSLOT', this.#slot, 'NODE', id);
  }

  async #id(admin: Redis): Promise<string> {
    return String(await admin.cluster('MYID'));
  }
}

const clients = {
  'a connection of ours': () => ({ url: cluster.url }),
  "a client of the user's": () => {
    const client = new Cluster(cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port })));
    onTestFinished(() => client.disconnect());
    return { client: client as RedisClient };
  },
} as const;

describe.each(Object.entries(clients))('a slot that is being moved, over %s', (_, optionsOf) => {
  it('grants and frees its locks at every stage, with tokens that rise', { timeout: 60_000 }, async () => {
    const backend = createRedisBackend(optionsOf());
    onTestFinished(() => backend.close());
    const name = Move.nameOnFirst();
    const move = new Move(name);
    let last = 0n;
    const takesAndFrees = async (): Promise<void> => {
      const request = requestOf(name);
      const { fencingToken } = await take(backend, request, 5000);
      expect(fencingToken).toBeGreaterThan(last);
      last = fencingToken;
      expect(await attempt(backend, requestOf(name), 5000)).toMatchObject({ granted: false });
      expect(await backend.renew([{ ...request, ttlMs: 20_000 }], callOf(5000))).toEqual([true]);
      expect(await free(backend, request)).toBe(true);
    };
    await takesAndFrees();
    await move.begin();
    await takesAndFrees();
    await takesAndFrees();
    await move.keys();
    await takesAndFrees();
    await move.end();
    await takesAndFrees();
  });

  it('frees a lock that was taken before, and wakes who waits', { timeout: 60_000 }, async () => {
    const locks = createRedisLockManager(optionsOf());
    const others = createRedisLockManager({ url: cluster.url });
    onTestFinished(async () => {
      await locks.close();
      await others.close();
    });
    const name = Move.nameOnFirst();
    const move = new Move(name);
    const lease = await locks.acquire(name);
    const waiting = others.acquire(name, { waitMs: 20_000 });
    await until('it waits', async () => ((await locks.inspect(name)).waiters ?? 0) > 0);
    await move.begin();
    expect(await lease.release()).toBe(true);
    const next = await waiting;
    expect(next.fencingToken).toBeGreaterThan(lease.fencingToken);
    await move.keys();
    await move.end();
    expect(await next.release()).toBe(true);
  });

  it('refuses what lies in several keys as one that passes', { timeout: 60_000 }, async () => {
    const locks = createRedisLockManager({ ...optionsOf(), waitMs: 20_000 });
    onTestFinished(() => locks.close());
    const name = Move.nameOnFirst();
    const move = new Move(name);
    const { write } = locks.readWriteLock(name);
    await (await write.acquire()).release();
    await move.begin();
    const refused = await write.tryAcquire().catch((error: unknown) => error);
    expect(refused === null || !isLockError(refused, 'LOCK_BACKEND_UNAVAILABLE') || refused.retryable).toBe(true);
    const waiting = write.acquire();
    await move.keys();
    await move.end();
    expect(await (await waiting).release()).toBe(true);
  });

  it('costs no healthy lease in it, though its neighbour has gone', { timeout: 60_000 }, async () => {
    const backend = createRedisBackend({ ...optionsOf(), prefix: '' });
    onTestFinished(() => backend.close());
    const tag = Move.nameOnFirst();
    const move = new Move(tag);
    const [well, gone] = [requestOf(`{holdfast:${tag}}well`), requestOf(`{holdfast:${tag}}gone`)];
    await take(backend, well);
    await take(backend, gone);
    await move.begin();
    await admins[0]?.del(gone.name);
    const renewed = await backend.renew(
      [well, gone].map((request) => ({ ...request, ttlMs: 20_000 })),
      callOf(5000),
    );
    expect(renewed).toEqual([true, false]);
    await move.keys();
    await move.end();
  });
});

it('a user who may not send ASKING waits until the slot has moved, and nothing is left to the process', { timeout: 60_000 }, async () => {
  for (const admin of admins) await admin.call('ACL', 'SETUSER', 'mover', 'on', '>word', '~*', '&*', '+@all', '-asking');
  const locks = createRedisLockManager({ url: cluster.url.replace('://', '://mover:word@'), waitMs: 20_000 });
  onTestFinished(() => locks.close());
  const rejections: unknown[] = [];
  const note = (reason: unknown): void => {
    rejections.push(reason);
  };
  process.on('unhandledRejection', note);
  onTestFinished(() => {
    process.off('unhandledRejection', note);
  });
  const name = Move.nameOnFirst();
  const move = new Move(name);
  await (await locks.acquire(name)).release();
  await move.begin();
  const refused = await locks.tryAcquire(name).catch((error: unknown) => error);
  expect(isLockError(refused, 'LOCK_BACKEND_UNAVAILABLE') && refused.retryable).toBe(true);
  const waiting = locks.acquire(name);
  await move.keys();
  await move.end();
  expect(await (await waiting).release()).toBe(true);
  expect(rejections).toEqual([]);
});

it('a live resharding under load rejects nothing, and tokens rise over it', { timeout: 120_000 }, async () => {
  const locks = createRedisLockManager({ url: cluster.url, waitMs: 30_000 });
  onTestFinished(() => locks.close());
  const [from, to] = await Promise.all(admins.slice(1, 3).map(async (admin) => String(await admin.cluster('MYID'))));
  const state = { isOver: false };
  const work = Array.from({ length: 12 }, async (_, task) => {
    let last = 0n;
    for (let round = 0; !state.isOver; round++) {
      const name = `work-${task}-${round % 40}`;
      if (task % 3 === 0) await locks.semaphore(name, { permits: 2 }).withPermits(async () => {});
      else if (task % 3 === 1) await locks.readWriteLock(name).write.withLock(async () => {});
      else {
        await locks.withLock(name, async ({ fencingToken }) => {
          if (round % 40 === 0) {
            expect(fencingToken).toBeGreaterThan(last);
            last = fencingToken;
          }
        });
      }
    }
  });
  const moved = promisify(execFile)('redis-cli', [
    ...['--cluster', 'reshard', `127.0.0.1:${cluster.masters[0]?.port}`, '--cluster-yes'],
    ...['--cluster-from', from ?? '', '--cluster-to', to ?? '', '--cluster-slots', '400'],
  ]).finally(() => {
    state.isOver = true;
  });
  await Promise.all([...work, moved]);
});
