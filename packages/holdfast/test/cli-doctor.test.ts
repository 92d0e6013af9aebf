import type { Finding } from '@holdfast/core';
import { startPostgres, startRedis, startZooKeeper } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { runCli } from './cli-process.js';

interface Report {
  readonly ok: boolean;
  readonly wrong: number;
  readonly findings: readonly Finding[];
}

async function doctor(url: string): Promise<{ readonly code: number | null; readonly report: Report }> {
  const { code, stdout } = await runCli(['doctor', '--json'], { url });
  return { code, report: JSON.parse(stdout) as Report };
}

const of = (report: Report, about: string): Finding | undefined => report.findings.find((finding) => finding.about === about);

describe('holdfast doctor', () => {
  it('finds nothing wrong with a Redis that is set up for locks', async () => {
    await using server = await startRedis({ config: { appendonly: 'yes', appendfsync: 'always' } });
    const { code, report } = await doctor(server.url);
    expect(report.findings.filter(({ status }) => status !== 'ok')).toEqual([]);
    expect(of(report, 'version')?.found).toMatch(/^(?:Redis|Valkey) \d/);
    expect(code).toBe(0);
  });

  it('says what is wrong with one that evicts and persists nothing, and what to set', async () => {
    await using server = await startRedis({ config: { 'maxmemory-policy': 'allkeys-lru', save: '', timeout: '5' } });
    const { code, report } = await doctor(server.url);
    for (const about of ['maxmemory-policy', 'persistence', 'timeout']) expect(of(report, about)).toMatchObject({ status: 'wrong' });
    expect(of(report, 'maxmemory-policy')?.advice).toContain('noeviction');
    expect(code).toBe(1);
    const { stdout } = await runCli(['doctor'], { url: server.url });
    expect(stdout).toMatch(/^wrong +\S+ {2}maxmemory-policy: allkeys-lru/m);
    expect(stdout).toMatch(/\n\d+ ok, 3 wrong, 0 not seen\n$/);
  });

  it('looks at PostgreSQL, and says that a memory store is this process only', async () => {
    await using server = await startPostgres();
    const { code, report } = await doctor(server.url);
    expect(of(report, 'version')).toMatchObject({ status: 'ok', found: expect.stringMatching(/^PostgreSQL \d/) as string });
    for (const about of ['role', 'pooler', 'clock', 'max_connections']) expect(of(report, about)?.status).toBe('ok');
    // Servers of tests are made to be quick, not to survive a crash.
    expect(report.findings.filter(({ status }) => status === 'wrong').map(({ about }) => about)).toEqual(code === 0 ? [] : ['durability']);
    expect((await doctor('memory:')).code).toBe(1);
  });

  it('looks at ZooKeeper, where one server alone is a finding', async () => {
    await using server = await startZooKeeper();
    const { code, report } = await doctor(server.url);
    expect(report.findings.some(({ about, status }) => about === 'ensemble' && status !== 'ok')).toBe(true);
    expect(code).toBe(of(report, 'ensemble')?.status === 'wrong' ? 1 : 0);
  });

  it('says that a store was not reached, and that a configuration is wrong', async () => {
    expect((await runCli(['doctor'], { url: 'redis://127.0.0.1:1' })).code).toBe(69);
    expect((await runCli(['doctor'], { url: 'redis://127.0.0.1:1?ttl=5' })).code).toBe(64);
  });
});
