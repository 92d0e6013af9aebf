import { createLockManager, type Lease, type LeaseMap, type LockManager, type PermitLease } from '@holdfast/core';
import { newName } from '@holdfast/test/backend';
import { until } from '@holdfast/test/servers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RoundTripCounter } from './round-trip-counter.js';
import { newRoot, useZooKeeper } from './zookeeper-harness.js';

const zooKeeper = useZooKeeper();
let counter: RoundTripCounter;
let root: string;
/** On the wire that counts. */
let manager: LockManager<bigint>;
let other: LockManager<bigint>;

beforeEach(async () => {
  root = newRoot();
  counter = await RoundTripCounter.open(zooKeeper.server.port);
  // No heartbeat comes between.
  const sessionTimeoutMs = 60_000;
  const connectionString = `127.0.0.1:${counter.port}`;
  manager = createLockManager(zooKeeper.backend({ root, sessionTimeoutMs, connectionString }), { ttlMs: 60_000 });
  other = createLockManager(zooKeeper.backend({ root, sessionTimeoutMs }), { ttlMs: 60_000 });
  await Promise.all([manager.checkHealth(), other.checkHealth()]);
});
afterEach(async () => {
  await Promise.all([manager.close(), other.close()]);
  await counter.close();
});

/** Until nothing of before is on the wire. */
async function quiet(): Promise<void> {
  let last = -1;
  await until('the wire is quiet', () => last === (last = counter.count), { everyMs: 30 });
}

const kinds = {
  'a lock': (on: LockManager<bigint>, name: string) => ({ acquire: () => on.acquire(name), tryAcquire: () => on.tryAcquire(name) }),
  'a permit': (on: LockManager<bigint>, name: string) => on.semaphore(name, { permits: 1 }),
  'a reader': (on: LockManager<bigint>, name: string) => on.readWriteLock(name).read,
  'a writer': (on: LockManager<bigint>, name: string) => on.readWriteLock(name).write,
};
const directories = { 'a lock': 'locks', 'a permit': 'semaphores', 'a reader': 'read-write', 'a writer': 'read-write' } as const;
const blockerOf = (kind: keyof typeof kinds): keyof typeof kinds => (kind === 'a reader' ? 'a writer' : kind);

describe.each(Object.keys(kinds) as (keyof typeof kinds)[])('%s', (kind) => {
  it('is taken in two round trips, extended in one, freed in one', async () => {
    const name = newName();
    let lease: Lease<bigint> | PermitLease | null = null;
    const take = async (): Promise<void> => {
      lease = await kinds[kind](manager, name).acquire();
    };
    for (let round = 0; round < 2; round += 1) {
      // The first time with a node of the name to be made.
      expect(await counter.during(take)).toBe(2);
      expect(await counter.during(async () => await lease?.extend())).toBe(1);
      expect(await counter.during(async () => expect(await lease?.release()).toBe(true))).toBe(1);
    }
    expect(
      await counter.during(async () => {
        lease = await kinds[kind](manager, name).tryAcquire();
      }),
    ).toBe(2);
  });

  it('is found busy in two', async () => {
    const name = newName();
    const theirs = await kinds[blockerOf(kind)](other, name).acquire();
    expect(await counter.during(async () => expect(await kinds[kind](manager, name).tryAcquire()).toBeNull())).toBe(2);
    await theirs.release();
  });

  it('is granted after a wait by one watch and one round trip, whether or not the session has just been heard of', async () => {
    for (const pauseMs of [0, 150]) {
      const name = newName();
      const theirs = await kinds[blockerOf(kind)](other, name).acquire();
      const waiting = kinds[kind](manager, name).acquire();
      await until('it waits', async () => (await zooKeeper.admin.children(`${root}/${directories[kind]}/${name}`)).length === 2);
      await quiet();
      const end = performance.now() + pauseMs;
      await until('time has passed', () => performance.now() >= end);
      const trips = await counter.during(async () => {
        await theirs.release();
        await waiting;
      });
      expect(trips).toBe(1);
      await (await waiting).release();
    }
  });
});

it('many are taken, extended and freed in as many as one', async () => {
  const names = Array.from({ length: 40 }, newName);
  const taken: LeaseMap<string, bigint>[] = [];
  expect(await counter.during(async () => taken.push(await manager.tryAcquireEach(names)))).toBe(2);
  const leases = [...(taken[0]?.values() ?? [])];
  expect(leases).toHaveLength(40);
  expect(await counter.during(() => Promise.all(leases.map((lease) => lease.extend())))).toBe(1);
  expect(await counter.during(async () => await taken[0]?.releaseAll())).toBe(1);
});

it('the node of a name is removed when nobody waits for it to be', async () => {
  const name = newName();
  const lease = await manager.acquire(name);
  expect(await counter.during(() => lease.release())).toBe(1);
  expect(await zooKeeper.admin.children(`${root}/locks`)).toContain(name);
  await until('it is gone', async () => !(await zooKeeper.admin.children(`${root}/locks`)).includes(name));
});
