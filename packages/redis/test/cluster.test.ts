import type { LockBackend } from '@holdfast/core';
import type { IoredisClient, RedisClient } from '@holdfast/redis';
import { attempt, callOf, free, freeAll, newName, permitsOf, requestOf, take } from '@holdfast/test/backend';
import { type RedisCluster, startRedisCluster, until } from '@holdfast/test/servers';
import { Cluster, Redis } from 'ioredis';
import { Cluster as Cluster510 } from 'ioredis-5-10';
import { Cluster as Cluster6 } from 'ioredis-6';
import { Cluster as ValkeyCluster } from 'iovalkey';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { slotOf, tagOf } from '../src/key-slot.js';
import { standIn, waitersOf, type OptionsHere, reachedBy } from './redis-harness.js';
import { createRedisBackend } from './chosen-driver.js';

let cluster: RedisCluster;
const backends: LockBackend<bigint>[] = [];

beforeAll(async () => {
  cluster = await startRedisCluster({ nodeTimeoutMs: 1000 });
});
afterEach(async () => {
  await Promise.all(backends.splice(0).map((backend) => backend.close()));
});
afterAll(async () => {
  await cluster.close();
});

function backendOf(options: OptionsHere = {}): LockBackend<bigint> {
  const backend = createRedisBackend(reachedBy(cluster.url, options));
  backends.push(backend);
  return backend;
}

describe('a cluster', () => {
  it('finds the slots that this package finds', async () => {
    const admin = new Redis(cluster.nodes[0]?.port ?? 0);
    for (const key of ['a', 'a{b}c', '{}x', '{a', 'x{🔒}y', 'é', 'a{}{b}', '{{a}}', tagOf(0), tagOf(16_383), `{${tagOf(12_345)}}`]) {
      expect(await admin.cluster('KEYSLOT', key)).toBe(slotOf(key));
    }
    admin.disconnect();
  });

  it('keeps locks, permits and readers on all masters, in batches', async () => {
    const backend = backendOf();
    const requests = Array.from({ length: 300 }, (_, i) =>
      i % 3 === 0 ? requestOf(newName()) : i % 3 === 1 ? permitsOf(newName(), 2, 3) : requestOf(`a}${newName()}{b`, 'read'),
    );
    expect((await backend.attempt(requests, callOf())).filter(({ granted }) => granted)).toHaveLength(300);
    expect(
      await backend.renew(
        requests.map((request) => ({ ...request, ttlMs: 20_000 })),
        callOf(),
      ),
    ).not.toContain(false);
    const partitions = new Set(requests.map(({ name }) => backend.partition?.(name)));
    expect(partitions.size).toBe(3);
    const found: string[] = [];
    for await (const state of backend.list?.('name-', callOf()) ?? []) found.push(state.name);
    expect(found).toHaveLength(200);
    expect(await freeAll(backend, requests)).not.toContain(false);
    await backend.checkHealth(callOf());
  });

  it.each([
    ['a URL', () => null],
    ['a Cluster of ioredis 5', () => new Cluster(cluster.nodes.map(({ host, port }) => ({ host, port })))],
    ['a Cluster of ioredis 6', () => new Cluster6(cluster.nodes.map(({ host, port }) => ({ host, port })))],
    ['a Cluster of iovalkey', () => new ValkeyCluster(cluster.nodes.map(({ host, port }) => ({ host, port })))],
  ])('wakes waiters over nodes, through %s', async (_how, connect: () => IoredisClient | null) => {
    const client = connect();
    const backend = backendOf(client === null ? {} : { client });
    const holder = backendOf();
    for (let i = 0; i < 6; i++) {
      const held = requestOf(newName());
      await take(holder, held);
      const request = requestOf(held.name);
      const waiting = standIn(backend, request);
      await until('it waits', async () => (await waitersOf(holder, held.name)) === 1);
      await free(holder, held);
      await waiting;
      await free(backend, request);
    }
    await backend.close();
    client?.disconnect();
  });

  it('queues fairly', async () => {
    const [first, second] = [backendOf({ fair: true }), backendOf({ fair: true })];
    const name = newName();
    const held = requestOf(name);
    await take(first, held);
    const order: number[] = [];
    const waits = [];
    for (let i = 0; i < 10; i++) {
      const backend = i % 2 === 0 ? first : second;
      const request = requestOf(name);
      waits.push(
        standIn(backend, request).then(async () => {
          order.push(i);
          await free(backend, request);
        }),
      );
      await until('it waits', async () => (await waitersOf(first, name)) === i + 1);
    }
    await free(first, held);
    await Promise.all(waits);
    expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it('goes past the waiters of a dead manager within 2 s though nobody can count listeners', async () => {
    const [holder, dead, alive] = [backendOf({ fair: true }), backendOf({ fair: true }), backendOf({ fair: true })];
    const name = newName();
    const held = requestOf(name);
    await take(holder, held);
    const abandoned = standIn(dead, requestOf(name)).catch(() => {});
    await until('it waits', async () => (await waitersOf(holder, name)) === 1);
    const wait = standIn(alive, requestOf(name));
    await until('both wait', async () => (await waitersOf(holder, name)) === 2);
    const node = new Cluster(cluster.nodes.map(({ host, port }) => ({ host, port })));
    const key = `holdfast.{${tagOf(slotOf(`holdfast:${name}`))}}:lock-waiters:holdfast:${name}`;
    const places = await node.dumpBuffer(key);
    await dead.close();
    await abandoned;
    await node.restore(key, 3000, places, 'REPLACE');
    await free(holder, held);
    const leftMs = await node.pttl(`holdfast:${name}`);
    expect(leftMs).toBeLessThanOrEqual(1980);
    const start = performance.now();
    await wait;
    // The next one asks as soon as that has ended, which a busy machine may do a little later.
    expect(performance.now() - start).toBeLessThan(leftMs + 1000);
    node.disconnect();
  });

  it('leaves no connection behind', async () => {
    const backend = backendOf();
    const requests = Array.from({ length: 60 }, () => requestOf(newName()));
    await backend.attempt(requests, callOf());
    const leaving = new AbortController();
    const waiting = standIn(backend, requestOf(requests[0]?.name ?? ''), leaving.signal).catch(() => {});
    await until('it waits', async () => (await waitersOf(backend, requests[0]?.name ?? '')) === 1);
    leaving.abort(new Error('enough'));
    await waiting;
    await backend.close();
    for (const { port } of cluster.nodes) {
      const admin = new Redis(port);
      await until('only nodes and this test are connected', async () => {
        const list =
          String(await admin.call('CLIENT', 'LIST', 'TYPE', 'normal')) + String(await admin.call('CLIENT', 'LIST', 'TYPE', 'pubsub'));
        return list.trim().split('\n').length === 1;
      });
      admin.disconnect();
    }
  });

  it('is reached through one node of a cluster by a plain client, command by command', async () => {
    const client = new Redis(cluster.masters[0]?.port ?? 0);
    const backend = backendOf({ client });
    // Names of its own slots: others are asked to go elsewhere, permanently. More than go into one command.
    const mine: string[] = [];
    const owned = String(await client.call('CLUSTER', 'NODES'))
      .split('\n')
      .find((line) => line.includes('myself'))
      ?.match(/(\d+)-(\d+)\s*$/);
    const [from, to] = [Number(owned?.[1]), Number(owned?.[2])];
    while (mine.length < 300) {
      const name = newName();
      const slot = slotOf(`holdfast:${name}`);
      if (slot >= from && slot <= to) mine.push(name);
    }
    const requests = mine.map((name) => requestOf(name));
    expect((await backend.attempt(requests, callOf())).every(({ granted }) => granted)).toBe(true);
    expect(await freeAll(backend, requests)).not.toContain(false);
    client.disconnect();
  });

  // The last one: it changes who is master.
  it('goes on with the other masters when one is killed, and with its replica afterwards', async () => {
    const backend = backendOf();
    const killed = cluster.masters[0];
    if (killed === undefined) throw new Error('no master');
    await take(backend, requestOf(newName()));
    const lostName = await nameOn(backend, `${killed.host}:${killed.port}`, true);
    const otherName = await nameOn(backend, `${killed.host}:${killed.port}`, false);
    const before = await take(backend, requestOf(lostName, 'exclusive', { ttlMs: 1000 }));
    await killed.kill();
    const outcomes: unknown[] = [];
    const asked = async (): Promise<bigint | null> => {
      const answer = await attempt(backend, requestOf(lostName), 1000).catch((error: unknown) => {
        outcomes.push(error);
        return null;
      });
      return answer?.granted === true ? answer.fencingToken : null;
    };
    // A driver may find the replica while a call lasts: then nothing is reported.
    let after = await asked();
    await take(backend, requestOf(otherName));
    const tookOver = async (): Promise<boolean> => (after ??= await asked()) !== null;
    await until('its replica has taken over', tookOver, { timeoutMs: 20_000, everyMs: 100 });
    expect(after).toBeGreaterThan(before.fencingToken);
    for (const outcome of outcomes) expect(outcome).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: true });
  });
});

async function nameOn(backend: LockBackend<bigint>, node: string, isOn: boolean): Promise<string> {
  for (;;) {
    const name = newName();
    if ((backend.partition?.(name) === node) === isOn) return name;
  }
}

it.each([
  ['5.10', Cluster510],
  ['5', Cluster],
  ['6', Cluster6],
] as const)('a client that pipelines by itself serves names of all masters at once (ioredis %s)', async (_, Client) => {
  const client = new Client(
    cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port })),
    { enableAutoPipelining: true },
  );
  const backend = backendOf({ client: client as unknown as RedisClient });
  const requests = Array.from({ length: 40 }, () => requestOf(newName()));
  const granted = await Promise.all(requests.map((request) => attempt(backend, request)));
  expect(granted.every((answer) => answer.granted)).toBe(true);
  const held = requests.map((request) => ({ ...request, ttlMs: 20_000 }));
  expect(await Promise.all(held.map(async (hold) => (await backend.renew([hold], callOf()))[0]))).not.toContain(false);
  expect(await Promise.all(requests.map((request) => free(backend, request)))).not.toContain(false);
  client.disconnect();
});
