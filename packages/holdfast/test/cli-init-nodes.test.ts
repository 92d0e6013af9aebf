import { type RedisNodes, startRedis, startRedisNodes } from '@holdfast/test/servers';
import { afterEach, describe, expect, it } from 'vitest';
import { type CliResult, runCli } from './cli-process.js';

let nodes: RedisNodes | null = null;

afterEach(async () => {
  await nodes?.close();
  nodes = null;
});

async function deployment(): Promise<string> {
  nodes = await startRedisNodes(3);
  return `redlock://${nodes.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}?maxTtlMs=30000`;
}

function cli(url: string, ...args: readonly string[]): Promise<CliResult> {
  return runCli(args, { url });
}

describe('holdfast init-nodes', () => {
  it('shows what each node has, and lets a new deployment vote', { timeout: 60_000 }, async () => {
    const url = await deployment();
    const before = await cli(url, 'init-nodes', '--yes');
    expect(before.code).toBe(0);
    expect(before.stdout.match(/it is new, or was emptied/g)).toHaveLength(3);
    const health = await cli(url, 'health', '--json');
    expect(JSON.parse(health.stdout)).toMatchObject({
      ok: true,
      nodes: [{ quarantinedForMs: 0 }, { quarantinedForMs: 0 }, { quarantinedForMs: 0 }],
    });
  });

  it('changes nothing without a yes, and leaves no trace of its look', { timeout: 60_000 }, async () => {
    const url = await deployment();
    expect((await cli(url, 'init-nodes')).code).toBe(64);
    const after = await cli(url, 'init-nodes', '--yes', '--json');
    expect(after.code).toBe(0);
    expect(JSON.parse(after.stdout)).toMatchObject({ ok: true, nodes: [{ problem: null }, { problem: null }, { problem: null }] });
  });

  it('refuses nodes that have been in use, or of which one is down', { timeout: 60_000 }, async () => {
    const url = await deployment();
    await cli(url, 'init-nodes', '--yes');
    expect((await cli(url, 'init-nodes', '--yes')).code).toBe(69);
    await nodes?.nodes[1]?.kill();
    const down = await cli(url, 'init-nodes', '--yes');
    expect(down.code).toBe(69);
    expect(down.stdout).toMatch(/down/);
  });

  it('is for Redlock only', async () => {
    await using server = await startRedis();
    expect((await cli(server.url, 'init-nodes', '--yes')).code).toBe(64);
  });
});
