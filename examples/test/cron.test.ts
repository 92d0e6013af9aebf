import { askRedis, startRedis } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { patient, startExample } from './example.js';

describe('the cron job on two servers', () => {
  it('is done once for each period, also for the one at which a server is killed', async () => {
    await using redis = await startRedis();
    await using example = startExample('cron/main.ts', { HOLDFAST_URL: undefined }, [patient(redis.url)]);
    await example.succeeds();
    expect(example.output).toMatch(/web-[12] {2}KILLED at (\S+),/);
    const [, killedAt = ''] = /KILLED at (\S+),/.exec(example.output) ?? [];
    expect(example.output).toContain(`Each period was done once, also the one at which a server died (${killedAt}).`);
    expect(example.output.match(/Z {2}by web-[12] \(token \d+\)\n/g)).toHaveLength(6);
    expect(await askRedis(redis.port, 'KEYS holdfast-cron:*')).not.toContain('holdfast-cron');
  }, 60_000);

  it('says how it is started', async () => {
    await using example = startExample('cron/main.ts', { HOLDFAST_URL: undefined });
    expect(await example.exitCode).toBe(2);
    expect(example.output).toMatch(/main\.js redis:\/\//);
  });
});
