import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { createRedisLockManager } from '@holdfast/redis';
import { newName } from '@holdfast/test/backend';
import { type RedisServer, startRedis } from '@holdfast/test/servers';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

// A real server behind a real TLS endpoint, as managed Redis is offered.
let redis: RedisServer;
let certificate: string;
const endpoint = createServer();

beforeAll(async () => {
  redis = await startRedis();
  const made = await generate([{ name: 'commonName', value: 'localhost' }], {
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] }],
  });
  certificate = made.cert;
  endpoint.setSecureContext({ key: made.private, cert: made.cert });
  endpoint.on('secureConnection', (outer) => {
    const inner = connect(redis.port, redis.host);
    outer.on('error', () => inner.destroy());
    inner.on('error', () => outer.destroy());
    outer.pipe(inner).pipe(outer);
  });
  endpoint.on('tlsClientError', () => {});
  endpoint.listen(0, '127.0.0.1');
  await once(endpoint, 'listening');
});

afterAll(async () => {
  endpoint.close();
  await redis.stop();
});

const url = (scheme: string): string => `${scheme}://127.0.0.1:${(endpoint.address() as AddressInfo).port}`;

describe('rediss://', () => {
  it.each([
    ['ioredis', (ca: string) => ({ tls: { ca } })],
    ['iovalkey', (ca: string) => ({ tls: { ca } })],
    ['redis', (ca: string) => ({ socket: { ca } })],
  ] as const)('locks over TLS by %s with a certificate that it trusts, waiters too', async (driver, optionsOf) => {
    const locks = createRedisLockManager({ url: url('rediss'), driver, driverOptions: optionsOf(certificate) });
    const peer = createRedisLockManager({ url: redis.url });
    const name = newName();
    const lease = await locks.acquire(name);
    expect(await peer.tryAcquire(name)).toBeNull();
    await lease.release();
    const held = await peer.acquire(name);
    const waiting = locks.acquire(name, { waitMs: 10_000 });
    await held.release();
    await (await waiting).release();
    await Promise.all([locks.close(), peer.close()]);
  });

  it.each(['ioredis', 'iovalkey', 'redis'] as const)('by %s refuses permanently a certificate that nobody vouches for', async (driver) => {
    const locks = createRedisLockManager({ url: url('rediss'), driver });
    await expect(locks.acquire(newName())).rejects.toMatchObject({
      code: 'LOCK_BACKEND_UNAVAILABLE',
      retryable: false,
      message: expect.stringContaining('CERT') as string,
    });
    await locks.close();
  });
});

describe('redis:// to a port that speaks TLS', () => {
  it.each(['ioredis', 'iovalkey', 'redis'] as const)('is unavailable by %s within its time, never busy', async (driver) => {
    const locks = createRedisLockManager({ url: url('redis'), driver, commandTimeoutMs: 500 });
    await expect(locks.tryAcquire(newName())).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    await locks.close();
  });
});
