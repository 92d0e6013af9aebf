import type { LockBackend } from '@holdfast/core';
import { callOf, free, freeAll, newName, requestOf, take } from '@holdfast/test/backend';
import { type RedisCluster, startRedisCluster, until } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { slotOf, tagOf } from '../src/key-slot.js';
import { standIn, type OptionsHere, reachedBy } from './redis-harness.js';
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

describe('the channels of a manager', () => {
  /** Over all nodes: only the one that it is connected to knows of them. */
  async function channels(): Promise<readonly string[]> {
    const admins = cluster.nodes.map(({ port }) => new Redis(port));
    const found = await Promise.all(admins.map(async (admin) => (await admin.pubsub('CHANNELS', 'holdfast.wake:*')) as string[]));
    for (const admin of admins) admin.disconnect();
    return found.flat();
  }

  it('are one for each slot in which somebody waits, under its tag, on one connection', async () => {
    const backend = backendOf();
    const holder = backendOf();
    const held = Array.from({ length: 12 }, () => requestOf(newName()));
    await holder.attempt(held, callOf());
    const leaving = held.map(() => new AbortController());
    const granted = new Set<string>();
    const waits = held.map(({ name }, index) =>
      standIn(backend, requestOf(name), leaving[index]?.signal).then(
        () => granted.add(name),
        () => {},
      ),
    );
    const tags = held.map(({ name }) => `{${tagOf(slotOf(`holdfast:${name}`))}}`);
    await until('each is heard', async () => {
      const open = await channels();
      return tags.every((tag) => open.some((channel) => channel.startsWith(`holdfast.wake:${tag}c`)));
    });
    for (const tag of tags) expect(slotOf(`holdfast.wake:${tag}c0`)).toBe(slotOf(tag));
    const [first, ...others] = held;
    await freeAll(holder, others);
    await Promise.all(waits.slice(1));
    expect(granted.size).toBe(others.length);
    await until('only what is waited for is heard', async () => (await channels()).length === 1);
    leaving[0]?.abort(new Error('enough'));
    await waits[0];
    await until('nothing is', async () => (await channels()).length === 0);
    if (first !== undefined) await free(holder, first);
  });

  it('bear what is garbled, or not theirs', async () => {
    const backend = backendOf({ fair: true });
    const held = requestOf(newName());
    await take(backend, held);
    const waiting = standIn(backend, requestOf(held.name));
    await until('it is heard', async () => (await channels()).length === 1);
    const [channel = ''] = await channels();
    const admin = new Redis(cluster.nodes[0]?.port ?? 0);
    for (const text of [
      '',
      '|',
      '|1|1',
      `${'f'.repeat(16)}|1|`,
      `${'f'.repeat(16)}|-1|1`,
      `${'f'.repeat(16)}|1|1|`,
      `${'f'.repeat(16)}|${'9'.repeat(400)}|1`,
      'x',
      'x|y',
      `${'f'.repeat(32)}|`,
      `${'f'.repeat(32)}|holdfast:nobody`,
      `|${'k'.repeat(10_000)}`,
      '\u0000|\u0000',
    ]) {
      await admin.publish(channel, text);
    }
    admin.disconnect();
    expect(await free(backend, held)).toBe(true);
    expect(await waiting).toMatchObject({ granted: true });
  });
});
