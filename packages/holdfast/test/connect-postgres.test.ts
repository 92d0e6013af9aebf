import { randomUUID } from 'node:crypto';
import { type PostgresServer, startPostgres } from '@holdfast/test/servers';
import { connect, isLockError } from 'holdfast';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let server: PostgresServer;

beforeAll(async () => {
  server = await startPostgres({ auth: 'scram-sha-256' });
});
afterAll(async () => {
  await server?.close();
});

describe('connect to PostgreSQL', () => {
  it('locks out others who connect to the same database, by either scheme', async () => {
    await using a = await connect(server.url, { require: ['fencing', 'push'] });
    await using b = await connect(server.url.replace('postgres:', 'postgresql:'));
    const name = randomUUID();
    const lease = await a.acquire(name);
    expect(typeof lease.fencingToken).toBe('bigint');
    expect(await b.tryAcquire(name)).toBe(null);
    expect(await lease.release()).toBe(true);
    expect(await (await b.tryAcquire(name))?.release()).toBe(true);
  });

  it('takes options of the backend and of the driver from the URL', async () => {
    const url = `${server.url}?strategy=table&namespace=${randomUUID()}&ttlMs=20000&sslmode=disable&application_name=a%20b`;
    await using locks = await connect(url, { require: ['list', 'fencing'] });
    expect(locks.capabilities.expiry).toBe('ttl');
    const lease = await locks.acquire('from-the-url');
    const { holders } = await locks.inspect('from-the-url');
    expect(holders[0]?.remainingMs).toBeLessThan(22_001);
    await lease.release();
  });

  it('takes a socket of this machine by the host in the query, as other programs do', async () => {
    const error: unknown = await connect('postgres:///shop?host=/nowhere&port=5439&user=app', { commandTimeoutMs: 500 }).catch(
      (reason: unknown) => reason,
    );
    // It looked for it there.
    expect(isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && error.message).toContain('ENOENT');
  });

  it.each([
    ['a wrong password', (url: string) => url.replace(/:[^:@]*@/, ':swordfish@'), 'LOCK_BACKEND_UNAVAILABLE'],
    ['a database that is not there', (url: string) => url.replace(/\/postgres$/, '/nowhere'), 'LOCK_BACKEND_UNAVAILABLE'],
    ['a server that wants no TLS', (url: string) => `${url}?sslmode=require`, 'LOCK_BACKEND_UNAVAILABLE'],
    ['an unknown option', (url: string) => `${url}?strategie=table`, 'LOCK_INVALID_ARGUMENT'],
    ['a strategy that is none', (url: string) => `${url}?strategy=swordfish`, 'LOCK_INVALID_ARGUMENT'],
    ['options of the other strategy', (url: string) => `${url}?strategy=table&sessionMs=5000`, 'LOCK_INVALID_ARGUMENT'],
  ] as const)('is refused, without a password in the error, for %s', async (_, urlOf, code) => {
    const error: unknown = await connect(urlOf(server.url)).then(
      () => expect.fail('it connected'),
      (reason: unknown) => reason,
    );
    if (!isLockError(error, code)) throw error;
    if (isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) expect(error.retryable).toBe(false);
    const text = [error.message, error.stack, JSON.stringify(error), String(error.cause)].join();
    expect(text).not.toContain('holdfast-test@');
    if (code === 'LOCK_BACKEND_UNAVAILABLE') expect(text).not.toContain('swordfish');
  });
});
