import { createLockManager, type Lease, type LeaseMap, type LockManager, type PermitLease } from '@holdfast/core';
import { documentedRoundTrips, type LockKindName, lockKinds, measureRoundTrips, newName } from '@holdfast/test/backend';
import { RoundTripCounter, until } from '@holdfast/test/servers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { newRoot, useZooKeeper } from './zookeeper-harness.js';
import { newZooKeeperWire } from './zookeeper-wire.js';

const zooKeeper = useZooKeeper();
let counter: RoundTripCounter;
let root: string;
/** On the wire that counts. */
let manager: LockManager<bigint>;
let other: LockManager<bigint>;

beforeEach(async () => {
  root = newRoot();
  counter = await RoundTripCounter.open([zooKeeper.server.port], newZooKeeperWire);
  // No heartbeat comes between.
  const sessionTimeoutMs = 60_000;
  const connectionString = `127.0.0.1:${counter.ports[0]}`;
  manager = createLockManager(zooKeeper.backend({ root, sessionTimeoutMs, connectionString }), { ttlMs: 60_000 });
  other = createLockManager(zooKeeper.backend({ root, sessionTimeoutMs }), { ttlMs: 60_000 });
  await Promise.all([manager.checkHealth(), other.checkHealth()]);
});
afterEach(async () => {
  await Promise.all([manager.close(), other.close()]);
  await counter.close();
});

async function trips(work: () => Promise<unknown>): Promise<number> {
  const [count] = await counter.during(work);
  return count;
}

const directories = { 'a lock': 'locks', 'a permit': 'semaphores', 'a reader': 'read-write', 'a writer': 'read-write' } as const;
const blockerOf = (kind: LockKindName): LockKindName => (kind === 'a reader' ? 'a writer' : kind);

describe.each(Object.keys(lockKinds) as LockKindName[])('%s', (kind) => {
  it('is taken in two round trips, extended in one, freed in one', async () => {
    const name = newName();
    let lease: Lease<bigint> | PermitLease | null = null;
    const take = async (): Promise<void> => {
      lease = await lockKinds[kind](manager, name).acquire();
    };
    for (let round = 0; round < 2; round += 1) {
      // The first time with a node of the name to be made.
      expect(await trips(take)).toBe(2);
      expect(await trips(async () => await lease?.extend())).toBe(1);
      expect(await trips(async () => expect(await lease?.release()).toBe(true))).toBe(1);
    }
    expect(
      await trips(async () => {
        lease = await lockKinds[kind](manager, name).tryAcquire();
      }),
    ).toBe(2);
  });

  it('is taken in two round trips where somebody else has made the node of the name', async () => {
    const name = newName();
    await zooKeeper.admin.create(`${root}/${directories[kind]}/${name}`);
    let lease: Lease<bigint> | PermitLease | null = null;
    expect(
      await trips(async () => {
        lease = await lockKinds[kind](manager, name).tryAcquire();
      }),
    ).toBe(2);
    expect(await trips(async () => expect(await lease?.release()).toBe(true))).toBe(1);
  });

  it('takes as many as the page says', async () => {
    const measured = await measureRoundTrips(kind, { counted: manager, other, during: (work) => counter.during(work) });
    expect(measured).toEqual(await documentedRoundTrips('ZooKeeper'));
  });

  it('is granted after a wait by a watch alone when it is next in line, whether or not the session has just been heard of', async () => {
    for (const pauseMs of [0, 150]) {
      const name = newName();
      const theirs = await lockKinds[blockerOf(kind)](other, name).acquire();
      const waiting = lockKinds[kind](manager, name).acquire();
      await until('it waits', async () => (await zooKeeper.admin.children(`${root}/${directories[kind]}/${name}`)).length === 2);
      await counter.quiet();
      const end = performance.now() + pauseMs;
      await until('time has passed', () => performance.now() >= end);
      const before = counter.count;
      await theirs.release();
      await waiting;
      expect(counter.count - before).toBe(0);
      await (await waiting).release();
    }
  });

  it('is granted by one watch and one round trip when others stood in front', async () => {
    const name = newName();
    const theirs = await lockKinds[blockerOf(kind)](other, name).acquire();
    const between = lockKinds[kind === 'a reader' ? 'a writer' : kind](other, name).acquire();
    await until('one waits', async () => (await zooKeeper.admin.children(`${root}/${directories[kind]}/${name}`)).length === 2);
    const waiting = lockKinds[kind](manager, name).acquire();
    await until('both wait', async () => (await zooKeeper.admin.children(`${root}/${directories[kind]}/${name}`)).length === 3);
    await counter.quiet();
    await theirs.release();
    const first = await between;
    await counter.quiet();
    const before = counter.count;
    await first.release();
    const lease = await waiting;
    // Who waits for permits has looked when the one in front got them.
    expect(counter.count - before).toBe(kind === 'a permit' ? 0 : 1);
    await lease.release();
  });
});

it('a waiter whose session has written nothing for a twentieth of the ttl writes before it believes', async () => {
  const connectionString = `127.0.0.1:${counter.ports[0]}`;
  const brief = createLockManager(zooKeeper.backend({ root, sessionTimeoutMs: 60_000, connectionString }), { ttlMs: 2_000 });
  const name = newName();
  const theirs = await other.acquire(name);
  const waiting = brief.acquire(name);
  await until('it waits', async () => (await zooKeeper.admin.children(`${root}/locks/${name}`)).length === 2);
  await counter.quiet();
  const end = performance.now() + 150;
  await until('time has passed', () => performance.now() >= end);
  expect(
    await trips(async () => {
      await theirs.release();
      await waiting;
    }),
  ).toBe(1);
  await (await waiting).release();
  await brief.close();
});

it('many are taken, extended and freed in as many as one', async () => {
  const names = Array.from({ length: 40 }, newName);
  const taken: LeaseMap<string, bigint>[] = [];
  expect(await trips(async () => taken.push(await manager.tryAcquireEach(names)))).toBe(2);
  const leases = [...(taken[0]?.values() ?? [])];
  expect(leases).toHaveLength(40);
  expect(await trips(() => Promise.all(leases.map((lease) => lease.extend())))).toBe(1);
  expect(await trips(async () => await taken[0]?.releaseAll())).toBe(1);
});

it('the node of a name is removed when nobody waits for it to be', async () => {
  const name = newName();
  const lease = await manager.acquire(name);
  expect(await trips(() => lease.release())).toBe(1);
  expect(await zooKeeper.admin.children(`${root}/locks`)).toContain(name);
  await until('it is gone', async () => !(await zooKeeper.admin.children(`${root}/locks`)).includes(name));
});
