import { isLockError } from '@holdfast/core';
import { createRedisBackend, openBackend, type RedisBackendOptions, type RedisClient } from '@holdfast/redis';
import { Cluster, Redis } from 'ioredis';
import { Cluster as Cluster6, Redis as Redis6 } from 'ioredis-6';
import { describe, expect, expectTypeOf, it } from 'vitest';

function refusal(options: unknown): string | null {
  try {
    createRedisBackend(options as RedisBackendOptions);
    return null;
  } catch (error) {
    return isLockError(error, 'LOCK_INVALID_ARGUMENT') ? error.option : 'another error';
  }
}

describe('options', () => {
  const url = 'redis://127.0.0.1:1';

  it.each([
    [undefined, 'options'],
    [{}, 'url'],
    [{ url: 1 }, 'url'],
    [{ url: 'nonsense' }, 'url'],
    [{ client: {} }, 'client'],
    [{ client: null }, 'client'],
    [{ url, client: new Redis({ lazyConnect: true }) }, 'client'],
    [{ url, prefix: 1 }, 'prefix'],
    [{ url, prefix: '\ud800' }, 'prefix'],
    [{ url, prefix: 'holdfast.{' }, 'prefix'],
    [{ url, prefix: 'x'.repeat(257) }, 'prefix'],
    [{ url, fair: 'yes' }, 'fair'],
    [{ url, replicas: 1 }, 'replicas'],
    [{ url, replicas: {} }, 'min'],
    [{ url, replicas: { min: 0 } }, 'min'],
    [{ url, replicas: { min: 1, timeoutMs: 0 } }, 'timeoutMs'],
    [{ url, replicas: { min: 1, timeout: 5 } }, 'timeout'],
    [{ url, allowEviction: 1 }, 'allowEviction'],
    [{ url, driverOptions: 'x' }, 'driverOptions'],
    [{ client: new Redis({ lazyConnect: true }), driverOptions: {} }, 'driverOptions'],
    [{ client: new Redis({ lazyConnect: true, keyPrefix: 'a{' }) }, 'client'],
    [{ url, unknown: 1 }, 'unknown'],
  ])('%# are refused at once', (options, option) => {
    expect(refusal(options)).toBe(option);
  });

  it('accept undefined everywhere, and the clients of ioredis 5 and 6', () => {
    expect(
      refusal({
        url,
        client: undefined,
        prefix: undefined,
        fair: undefined,
        replicas: undefined,
        allowEviction: undefined,
        driverOptions: undefined,
      }),
    ).toBeNull();
    // That these are assignable is a test of the type.
    const clients: RedisClient[] = [
      new Redis({ lazyConnect: true }),
      new Redis6({ lazyConnect: true }),
      new Cluster([], { lazyConnect: true }),
      new Cluster6([], { lazyConnect: true }),
    ];
    for (const client of clients) expect(refusal({ client })).toBeNull();
  });

  it('of openBackend are those but client and url', async () => {
    const backend = openBackend(url, { fair: true, prefix: 'a:' });
    await expect(Promise.resolve(backend)).resolves.toMatchObject({ name: 'redis', capabilities: { fair: true, fencing: true } });
    await backend.close();
    expect(() => openBackend(url, { client: new Redis({ lazyConnect: true }) } as object)).toThrow(/unknown option "client"/);
  });
});

it('are, by their types, exactly one of client and url', () => {
  const client = new Redis({ lazyConnect: true });
  expectTypeOf({ client }).toExtend<RedisBackendOptions>();
  expectTypeOf({ url: 'redis://h', driverOptions: {}, fair: true }).toExtend<RedisBackendOptions>();
  expectTypeOf({ url: 'redis://h', client: undefined }).toExtend<RedisBackendOptions>();
  expectTypeOf({ client, url: 'redis://h' }).not.toExtend<RedisBackendOptions>();
  expectTypeOf({ fair: true }).not.toExtend<RedisBackendOptions>();
  expectTypeOf({ client, driverOptions: {} }).not.toExtend<RedisBackendOptions>();
});
