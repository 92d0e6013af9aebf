import { randomUUID } from 'node:crypto';
import { type FencedRedis, writeFenced } from '@holdfast/fencing';
import { createRedisLockManager } from '@holdfast/redis';
import { type RedisServer, startRedis } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let server: RedisServer;
let client: Redis;

beforeAll(async () => {
  server = await startRedis();
  client = new Redis(server.url);
});
afterAll(async () => {
  client?.disconnect();
  await server?.close();
});

const held = (fencingToken: bigint | null, name = 'ledger') => ({ name, fencingToken });

/** Both clients, each as its users have it. */
const clients: readonly (readonly [string, (body: (redis: FencedRedis) => Promise<void>) => Promise<void>])[] = [
  ['ioredis', (body) => body(client)],
  [
    'node-redis',
    async (body) => {
      const redis = createClient({ url: server.url });
      await redis.connect();
      try {
        await body(redis);
      } finally {
        redis.destroy();
      }
    },
  ],
];

describe.each(clients)('writeFenced by %s', (_, withClient) => {
  it('writes with tokens that rise or stay, and refuses a lower one', async () => {
    const key = randomUUID();
    await withClient(async (redis) => {
      await writeFenced(redis, key, 'balance', 1, held(9n));
      await writeFenced(redis, key, 'balance', 2, held(9n));
      await writeFenced(redis, key, 'owner', 'me', held(10n));
      await expect(writeFenced(redis, key, 'balance', 3, held(9n))).rejects.toMatchObject({
        code: 'LOCK_STALE_TOKEN',
        lockName: 'ledger',
        fencingToken: 9n,
        seenToken: 10n,
      });
      // Beyond what a double can tell apart.
      await writeFenced(redis, key, 'balance', 4, held(2n ** 63n - 1n));
      await expect(writeFenced(redis, key, 'balance', 5, held(2n ** 63n - 2n))).rejects.toMatchObject({ seenToken: 2n ** 63n - 1n });
      // Another lock, another store: other tokens.
      await writeFenced(redis, key, 'other', 'x', held(1n, 'another'));
      await writeFenced(redis, key, 'other', 'y', held(1n), { scope: 'redis-2' });
    });
    expect(await client.hmget(key, 'balance', 'owner', 'other')).toEqual(['4', 'me', 'y']);
  });
});

describe('writeFenced', () => {
  it('refuses the late write of a holder that has lost its lock', async () => {
    const key = randomUUID();
    await using locks = createRedisLockManager({ url: server.url });
    const late = await locks.acquire(key);
    await locks.forceRelease(key);
    await locks.withLock(key, (lease) => writeFenced(client, key, 'x', 'new', lease));
    await expect(writeFenced(client, key, 'x', 'old', late)).rejects.toMatchObject({ code: 'LOCK_STALE_TOKEN' });
    expect(await client.hget(key, 'x')).toBe('new');
  });

  it('refuses bad arguments, before it writes', async () => {
    const key = randomUUID();
    const refused = { code: 'LOCK_INVALID_ARGUMENT' };
    await expect(writeFenced(client, key, 'x', 1, held(null))).rejects.toMatchObject(refused);
    await expect(writeFenced(client, key, 'x', 1, { ...held(1n), kind: 'read-write', mode: 'read' })).rejects.toMatchObject(refused);
    await expect(writeFenced(client, key, 'holdfast.fence::lock:ledger', 1, held(1n))).rejects.toMatchObject({ option: 'field' });
    await expect(writeFenced({} as never, key, 'x', 1, held(1n))).rejects.toMatchObject({ option: 'client' });
    await expect(writeFenced(client, key, 'x', {} as never, held(1n))).rejects.toMatchObject({ option: 'value' });
    expect(await client.exists(key)).toBe(0);
  });

  it('compares a token that was written by hand as a number, and says so when it is none', async () => {
    const key = randomUUID();
    await client.hset(key, 'holdfast.fence::lock:ledger', '7');
    await expect(writeFenced(client, key, 'x', 1, held(6n))).rejects.toMatchObject({ seenToken: 7n });
    await writeFenced(client, key, 'x', 1, held(10n));
    await client.hset(key, 'holdfast.fence::lock:ledger', 'seven');
    await expect(writeFenced(client, key, 'x', 2, held(11n))).rejects.toThrow('is no number');
    await client.set(`${key}:text`, 'x');
    await expect(writeFenced(client, `${key}:text`, 'x', 2, held(11n))).rejects.toThrow('WRONGTYPE');
  });
});
