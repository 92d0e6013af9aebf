import { isLockError } from '@holdfast/core';
import { createRedisBackend, createRedisLockManager, type RedisBackendOptions, type RedisClient, type RedisPort } from '@holdfast/redis';
import { newName } from '@holdfast/test/backend';
import { Redis } from 'ioredis';
import { createClient, createClientPool, createCluster, createSentinel } from 'redis';
import { createClient as createClient5, createCluster as createCluster5, createSentinel as createSentinel5 } from 'redis-5';
import { createClient as createClient4, createCluster as createCluster4 } from 'redis-4';
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
      createSentinel({ name: 'main', sentinelRootNodes: [{ host: '127.0.0.1', port: 1 }] }),
      createSentinel5({ name: 'main', sentinelRootNodes: [{ host: '127.0.0.1', port: 1 }] }),
    ];
    for (const client of clients) expect(refusal({ client })).toBeNull();
  });

  it.each([
    ['an address', 'redis://:secret@h', /url/],
    ['a promise', Promise.resolve(), /await/],
    ['a pool of redis', createClientPool(), /createClient/],
    ['a module', { createClient }, /module/],
    ['a client without what listens', { evalsha() {}, pipeline() {} }, /upstash/],
    ['a client of redis 4', createClient4(), /redis 4/],
    ['a client of redis 3', { internal_send_command() {}, quit() {} }, /redis 3/],
    ['a client of GLIDE before 2.3', { customCommand() {}, invokeScript() {}, close() {}, config: {} }, /2\.3/],
    ['a client of redis 4 in its legacy mode', createClient4({ legacyMode: true }), /redis 4/],
    ['a cluster of redis 4', createCluster4({ rootNodes: [{ url: 'redis://:secret@127.0.0.1:1' }] }), /redis 4/],
    ['a legacy client of redis 6', createClient().legacy(), /legacy\(\)/],
    ['a transaction', createClient().multi(), /pipeline/],
    ['a list', [new Redis({ lazyConnect: true })], /Redlock/],
    ['what clients are made with', { host: 'h', password: 'secret' }, /options/],
    ['of a class of its own', new (class AcmeClient {})(), /AcmeClient/],
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

it('health reports and errors name the driver of the client', async () => {
  const client = new Redis(redis.server.port);
  const locks = createRedisLockManager({ client: portTo(client) });
  onTestFinished(() => locks.close());
  expect(await locks.checkHealth()).toMatchObject({ ok: true, backend: 'redis', driver: 'acme-redis' });
  client.disconnect();
  const failed = await locks.checkHealth();
  expect(failed).toMatchObject({ ok: false, driver: 'acme-redis', error: { code: 'LOCK_BACKEND_UNAVAILABLE', driver: 'acme-redis' } });
  const name = newName();
  for (const call of [locks.tryAcquire(name), locks.inspect(name), locks.acquire(name, { waitMs: 50 })]) {
    await expect(call).rejects.toMatchObject({ driver: 'acme-redis', message: expect.stringContaining('(driver: acme-redis)') as string });
  }
});

it('without driver the first of several that are installed makes the connections', async () => {
  const locks = createRedisLockManager({ url: redis.server.url });
  onTestFinished(() => locks.close());
  expect(await locks.checkHealth()).toMatchObject({ ok: true, driver: 'ioredis' });
});

it.each(['ioredis', 'redis', 'iovalkey'] as const)('the option driver makes connections by %s', async (driver) => {
  const locks = createRedisLockManager({ url: redis.server.url, driver });
  onTestFinished(() => locks.close());
  expect(await locks.checkHealth()).toMatchObject({ ok: true, driver });
  // Nothing listens on port 1.
  const elsewhere = createRedisLockManager({ url: 'redis://:SECRET@127.0.0.1:1', driver });
  onTestFinished(() => elsewhere.close());
  await expect(elsewhere.tryAcquire(newName())).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', driver });
  const name = newName();
  const held = await locks.acquire(name);
  const waiting = locks.acquire(name, { waitMs: 10_000 });
  await held.release();
  await (await waiting).release();
});
