import { randomUUID } from 'node:crypto';
import {
  askRedis,
  type RedisServer,
  reservePort,
  startRedis,
  startRedisCluster,
  startRedisWithSentinels,
  until,
} from '@holdfast/test/servers';
import { type ConnectOptions, connect, isLockError, type LockErrorCode, type LockErrors } from 'holdfast';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';

const PASSWORD = 'p@ss/w?rd#%';
const ESCAPED = encodeURIComponent(PASSWORD);

let open: RedisServer;
let closed: RedisServer;

beforeAll(async () => {
  [open, closed] = await Promise.all([startRedis(), startRedis({ config: { requirepass: `"${PASSWORD}"` } })]);
});
afterAll(async () => {
  await Promise.all([open?.close(), closed?.close()]);
});

async function failure<C extends LockErrorCode>(code: C, url: string, options?: ConnectOptions): Promise<LockErrors[C]> {
  const error: unknown = await connect(url, options).then(
    () => expect.fail('it connected'),
    (reason: unknown) => reason,
  );
  if (!isLockError(error, code)) throw error;
  for (const text of [error.message, error.stack, JSON.stringify(error), String(error.cause)]) {
    expect(text).not.toContain(PASSWORD);
    expect(text).not.toContain(ESCAPED);
  }
  return error;
}

/** How many connections there are that are not of this question. */
async function connections(server: RedisServer): Promise<number> {
  return Number(/connected_clients:(\d+)/.exec(await askRedis(server.port, 'INFO clients'))?.[1]) - 1;
}

describe('connect to Redis', () => {
  it('locks out others who connect to the same server', async () => {
    await using a = await connect(open.url, { require: ['fencing'] });
    await using b = await connect({ url: `${open.url}/0` });
    const name = randomUUID();
    const lease = await a.acquire(name);
    expect(lease.fencingToken > 0n).toBe(true);
    expect(await b.tryAcquire(name)).toBeNull();
    await lease.release();
    expect(await b.tryWithLock(name, () => 'free')).toEqual({ acquired: true, value: 'free' });
  });

  it('takes options from the URL and from the call by the same names', async () => {
    await using a = await connect(`${open.url}?prefix=${encodeURIComponent('shop:é&')}&fair=true`);
    await using b = await connect(open.url, { prefix: 'shop:é&', fair: true });
    await using other = await connect(open.url, { prefix: 'other:' });
    expect(a.capabilities.fair).toBe(true);
    const lease = await a.acquire('invoice');
    expect(await b.tryAcquire('invoice')).toBeNull();
    expect(await other.tryAcquire('invoice')).not.toBeNull();
    await lease.release();
  });

  it('takes a password with every sign that has a meaning in URLs', async () => {
    await using locks = await connect(`redis://:${ESCAPED}@127.0.0.1:${closed.port}/2`);
    expect(await locks.withLock('a', () => 1)).toBe(1);
  });

  it('opens a cluster', async () => {
    await using cluster = await startRedisCluster({ masters: 3, replicas: 0 });
    await using locks = await connect(cluster.url, { require: ['fencing'] });
    expect(await locks.withAll(['a', 'b', 'c'], (leases) => leases.names.length)).toBe(3);
  });

  it('finds the master that sentinels name', async () => {
    await using redis = await startRedisWithSentinels();
    await using locks = await connect(redis.url);
    expect(await locks.withLock('a', () => 'done')).toBe('done');
  }, 60_000);
});

describe('connect to Redis fails at once, leaving nothing open', () => {
  it('when nobody answers at the address', async () => {
    const reserved = await reservePort();
    const url = `redis://:${ESCAPED}@127.0.0.1:${reserved.port}`;
    const error = await failure('LOCK_BACKEND_UNAVAILABLE', url).finally(() => reserved.release());
    expect(error.message).toMatch(`connect: redis://***@127.0.0.1:${reserved.port}: `);
    expect(error).toMatchObject({ backend: 'redis', retryable: true });
  });

  it('when the password is wrong or missing', async () => {
    const admin = new Redis(closed.port, { password: PASSWORD });
    onTestFinished(() => admin.disconnect());
    for (const credentials of [':wrong@', `nobody:${ESCAPED}@`, '']) {
      expect((await failure('LOCK_BACKEND_UNAVAILABLE', `redis://${credentials}127.0.0.1:${closed.port}`)).retryable).toBe(false);
    }
    await until('the connections are gone', async () => /connected_clients:1\b/.test(await admin.info('clients')));
  });

  it('when the server is there and says nothing', async () => {
    await using server = await startRedis();
    await server.pause();
    const start = performance.now();
    expect((await failure('LOCK_BACKEND_UNAVAILABLE', server.url, { commandTimeoutMs: 500 })).retryable).toBe(true);
    expect(performance.now() - start).toBeLessThan(10_000);
    await server.continue();
    await until('the connections are gone', async () => (await connections(server)) === 0);
  });

  it('when the server may drop keys', async () => {
    await using server = await startRedis({ config: { 'maxmemory-policy': 'allkeys-lru' } });
    const error = await failure('LOCK_BACKEND_UNAVAILABLE', server.url);
    expect(error.message).toMatch(/allkeys-lru.*noeviction/);
    expect(error.retryable).toBe(false);
    await until('the connections are gone', async () => (await connections(server)) === 0);
    await using locks = await connect(`${server.url}?allowEviction=true`);
    expect(locks.backend).toBe('redis');
  });

  it('when the server does not speak TLS', async () => {
    await failure('LOCK_BACKEND_UNAVAILABLE', `rediss://127.0.0.1:${open.port}`, { commandTimeoutMs: 1_000 });
  });

  it('when the server is no cluster', async () => {
    const error = await failure('LOCK_BACKEND_UNAVAILABLE', `redis+cluster://127.0.0.1:${open.port}`);
    expect(error.retryable).toBe(false);
    expect(error.message).toMatch(/redis:\/\//);
  });

  it.each([
    ['two hosts without a cluster', 'redis://h1,h2', /several hosts/],
    ['a port that is none', 'redis://h:port', /host:port/],
    ['a database that is none', 'redis://h/x', /database/],
    ['a sentinel without a master', 'redis+sentinel://h', /master/],
    ['a cluster with a database', 'redis+cluster://h/1', /database 0/],
    ['a % that escapes nothing', 'redis://:100%@h', /%25/],
    ['no slashes', 'redis:localhost', /redis:\/\//],
    ['options of ioredis in the URL', 'redis://h?family=6', /unknown option "family"/],
    ['a ? in the password', 'redis://:p?w@h', /%3F/],
  ])('when the URL is malformed: %s', async (_, url, message) => {
    expect((await failure('LOCK_INVALID_ARGUMENT', url)).message).toMatch(message);
  });

  it.each([
    ['an unknown option', { prefixes: 'x' }, /did you mean prefix\?/],
    ['a wrong value', { fair: 'yes' }, /fair/],
    ['a client, which has a factory of its own', { client: {} }, /call createRedisLockManager/],
    ['a misspelled requirement', { requires: ['fencing'] }, /did you mean require\?/],
    ['replicas that are none', { replicas: { min: 0 } }, /min/],
    ['an option of the memory backend', { store: {} }, /unknown option "store"/],
  ])('when there is %s', async (_, options, message) => {
    expect((await failure('LOCK_INVALID_ARGUMENT', open.url, options as ConnectOptions)).message).toMatch(message);
  });
});
