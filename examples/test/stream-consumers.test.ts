import { askRedis, startRedis } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { patient, startExample } from './example.js';

describe('the consumers of a stream', () => {
  it('book each payment once, also those announced twice and the one at which a consumer is killed', async () => {
    await using redis = await startRedis();
    await using example = startExample('stream-consumers/main.ts', { HOLDFAST_URL: undefined }, [patient(redis.url)]);
    await example.succeeds();
    const [, killed = ''] = /KILLED {2}at (payment-\d+),/.exec(example.output) ?? [];
    expect(example.output).toContain(`Each payment was booked once, ${killed} by another consumer;`);
    expect(example.output).toMatch(/\nAnn {3}145\nBob {3}155\nCleo {2}165\n/);
    expect(example.output).toMatch(new RegExp(`consumer-[23]  booked  ${killed}\\n`));
    expect(await askRedis(redis.port, 'KEYS holdfast-payments:*')).not.toContain('holdfast-payments');
  }, 90_000);

  it('says how it is started', async () => {
    await using example = startExample('stream-consumers/main.ts', { HOLDFAST_URL: undefined });
    expect(await example.exitCode).toBe(2);
    expect(example.output).toMatch(/main\.js redis:\/\//);
  });
});
