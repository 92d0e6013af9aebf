import { type RedisServer, startRedis, until } from '@holdfast/test/servers';
import { connect } from 'holdfast';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createHealthCheck } from '../health-endpoint/health.js';
import { type Example, patient, startExample } from './example.js';

let redis: RedisServer;

beforeEach(async () => {
  redis = await startRedis({ config: {} });
});
afterEach(() => redis?.close());

async function start(): Promise<{ readonly service: Example; readonly origin: string }> {
  const service = startExample('health-endpoint/main.ts', { HOLDFAST_URL: patient(redis.url), PORT: '0', BILLING_MS: '100' });
  const [, origin = ''] = await service.prints(/listening on (\S+)/);
  return { service, origin };
}

async function ask(url: string, method = 'GET'): Promise<{ readonly status: number; readonly body: unknown }> {
  const response = await fetch(url, { method });
  return { status: response.status, body: await response.json() };
}

describe('the health endpoint', () => {
  it('is ready while locks can be had, and alive also while not', async () => {
    const { service, origin } = await start();
    await using _ = service;
    expect(await ask(`${origin}/readyz`)).toMatchObject({ status: 200, body: { ok: true, backend: 'redis' } });

    await redis.kill();
    await until('it is not ready', async () => (await ask(`${origin}/readyz`)).status === 503);
    expect(await ask(`${origin}/readyz`)).toMatchObject({ status: 503, body: { ok: false, reason: 'LOCK_BACKEND_UNAVAILABLE' } });
    expect(await ask(`${origin}/livez`)).toEqual({ status: 200, body: { ok: true } });

    await redis.restart();
    await until('it is ready again', async () => (await ask(`${origin}/readyz`)).status === 200);
  });

  it('asks the store once however many ask it', async () => {
    await using locks = await connect(patient(redis.url));
    const checkHealth = createHealthCheck(locks);
    const reports = await Promise.all(Array.from({ length: 20 }, checkHealth));
    expect(new Set(reports).size).toBe(1);
  });

  it('answers differently to busy and to a store that is away', async () => {
    const { service, origin } = await start();
    await using _ = service;
    await using locks = await connect(patient(redis.url));
    expect(await ask(`${origin}/invoices/42/bill`, 'POST')).toEqual({ status: 200, body: { billed: '42' } });
    expect(service.output).toMatch(/invoice 42 billed under token \d+/);

    const lease = await locks.acquire('invoice:43');
    expect(await ask(`${origin}/invoices/43/bill`, 'POST')).toEqual({ status: 409, body: { error: 'busy' } });
    await lease.release();

    await redis.kill();
    expect(await ask(`${origin}/invoices/44/bill`, 'POST')).toEqual({ status: 503, body: { error: 'unavailable' } });
  });

  it('ends what it is at before it ends', async () => {
    const service = startExample('health-endpoint/main.ts', { HOLDFAST_URL: patient(redis.url), PORT: '0', BILLING_MS: '3000' });
    await using _ = service;
    const [, origin = ''] = await service.prints(/listening on (\S+)/);
    await using locks = await connect(patient(redis.url));
    const billing = ask(`${origin}/invoices/45/bill`, 'POST');
    await until('the invoice is locked', async () => (await locks.inspect('invoice:45')).held);
    service.kill('SIGTERM');
    expect(await billing).toEqual({ status: 200, body: { billed: '45' } });
    expect(await service.exitCode).toBe(0);
    expect((await locks.inspect('invoice:45')).held).toBe(false);
  });
});
