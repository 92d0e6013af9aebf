import { isLockError } from '@holdfast/core';
import { createRedisBackend, createRedisLockManager, type RedisBackendOptions, type RedisClient, type RedisPort } from '@holdfast/redis';
import { newName } from '@holdfast/test/backend';
import { Redis } from 'ioredis';
import { createClient, createClientPool, createCluster, createSentinel } from 'redis';
import { createClient as createClient5, createCluster as createCluster5 } from 'redis-5';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { IoredisDriverClient } from '../src/ioredis/ioredis-client.js';
import { IoredisPort } from '../src/ioredis/ioredis-port.js';
import { useRedis } from './redis-harness.js';

const redis = useRedis();

function refusal(options: unknown): { readonly option: string | null; readonly message: string } | null {
  try {
    createRedisBackend(options as RedisBackendOptions);
    return null;
  } catch (error) {
    return isLockError(error, 'LOCK_INVALID_ARGUMENT') ? { option: error.option, message: error.message } : null;
  }
}

describe('a client', () => {
  it('is known by its shape', () => {
    const url = 'redis://127.0.0.1:1';
    // That these are assignable is a test of the type.
    const clients: RedisClient[] = [
      new Redis({ lazyConnect: true }),
      createClient({ url }),
      createClient5({ url }),
      createCluster({ rootNodes: [{ url }] }),
      createCluster5({ rootNodes: [{ url }] }),
    ];
    for (const client of clients) expect(refusal({ client })).toBeNull();
  });

  it.each([
    ['an address', 'redis://:secret@h', /url/],
    ['a promise', Promise.resolve(), /await/],
    [
      'a sentinel client of redis',
      createSentinel({ name: 'main', sentinelRootNodes: [{ host: '127.0.0.1', port: 1 }] }),
      /redis\+sentinel/,
    ],
    ['a pool of redis', createClientPool(), /createClient/],
    ['a module', { createClient }, /module/],
    ['a client without what listens', { evalsha() {}, pipeline() {} }, /listen/],
    ['anything else', {}, /RedisPort/],
  ])('that is %s is refused, with what was seen and without its value', (_, client, said) => {
    const { option, message } = refusal({ client }) ?? { option: null, message: '' };
    expect(option).toBe('client');
    expect(message).toMatch(said);
    expect(message).not.toContain('secret');
  });

  it('has a driver already', () => {
    expect(refusal({ client: new Redis({ lazyConnect: true }), driver: 'ioredis' })?.option).toBe('driver');
    expect(refusal({ url: 'redis://h', driver: 'another' })?.option).toBe('driver');
  });
});

/** What a user writes for a driver that Holdfast does not know: only what has to be there. */
function portTo(client: Redis): RedisPort {
  const whole = new IoredisPort(client as RedisClient as IoredisDriverClient, false);
  return {
    driver: 'acme-redis',
    get isReady() {
      return whole.isReady;
    },
    ready: () => whole.ready(),
    run: (script, keys, args) => whole.run(script, keys, args),
    call: (command, ...words) => whole.call(command, ...words),
    listen: (channel, onMessage) => whole.listen(channel, onMessage),
    onLost: (listener) => whole.onLost(listener),
    another: (slot) => whole.another(slot),
    end: () => whole.end(),
  };
}

it('a port of the user takes locks, waits for them and frees them, by its required members alone', async () => {
  const client = new Redis(redis.server.port);
  const locks = createRedisLockManager({ client: portTo(client) });
  onTestFinished(async () => {
    await locks.close();
    client.disconnect();
  });
  const name = newName();
  const held = await locks.acquire(name);
  const waiting = locks.acquire(name, { waitMs: 10_000 });
  await held.release();
  await (await waiting).release();
  expect((await locks.checkHealth()).ok).toBe(true);
});

it.each(['ioredis', 'redis', 'iovalkey'] as const)('the option driver makes connections by %s', async (driver) => {
  const locks = createRedisLockManager({ url: redis.server.url, driver });
  onTestFinished(() => locks.close());
  const name = newName();
  const held = await locks.acquire(name);
  const waiting = locks.acquire(name, { waitMs: 10_000 });
  await held.release();
  await (await waiting).release();
});
