import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RedisServer, startRedis, until } from '@holdfast/test/servers';
import { connect } from 'holdfast';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { patient, runCli, startCli, temporaryFolder } from './cli-process.js';

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis();
});
afterAll(() => server?.close());

const STAYS = ['sh', '-c', 'echo "leads $HOLDFAST_LOCK $HOLDFAST_FENCING_TOKEN"; while :; do sleep 0.05; done'] as const;

const lead = (name: string, options: readonly string[], ...command: readonly string[]) =>
  startCli(['lead', name, '--label', 'server-1', '--retry', '100ms', ...options, '--', ...command], { url: patient(server.url, 4_000) });

async function force(name: string): Promise<void> {
  await using locks = await connect(patient(server.url));
  expect(await locks.forceRelease(`election/${name}`)).toBe(true);
}

describe('holdfast lead', () => {
  it('runs the command on one server at a time; when that one is asked to end, the next one leads', { timeout: 60_000 }, async () => {
    const name = randomUUID();
    await using first = lead(name, [], ...STAYS);
    const [, lock, term = ''] = await first.prints(/leads (\S+) (\d+)/);
    expect(lock).toBe(`election/${name}`);
    expect(await runCli(['leader', name], { url: server.url })).toMatchObject({
      code: 0,
      stdout: `${name}: server-1 leads, in term ${term}\n`,
    });
    await using second = lead(name, [], ...STAYS);
    first.kill('SIGTERM');
    expect(await first.ended).toMatchObject({ code: 143 });
    const [, , nextTerm = ''] = await second.prints(/leads (\S+) (\d+)/);
    expect(BigInt(nextTerm)).toBeGreaterThan(BigInt(term));
  });

  it('ends with the code of a command that ends by itself', async () => {
    const name = randomUUID();
    expect(await lead(name, [], 'sh', '-c', 'exit 3').ended).toMatchObject({ code: 3, stderr: '' });
    expect(await lead(name, [], 'true').ended).toMatchObject({ code: 0, stderr: '' });
    expect(await runCli(['leader', name, '--json'], { url: server.url })).toMatchObject({
      code: 1,
      stdout: `${JSON.stringify({ name, leader: null }, null, 2)}\n`,
    });
    expect(await lead(name, ['--restart'], 'no-such-command-here').ended).toMatchObject({ code: 127 });
  });

  it('with --restart starts it again, until it is asked to end', { timeout: 60_000 }, async () => {
    using folder = temporaryFolder();
    const log = join(folder.path, 'log');
    await using cli = lead(
      randomUUID(),
      ['--restart'],
      'sh',
      '-c',
      'echo ran >> "$0"; [ $(wc -l < "$0") -lt 3 ] && exit 1; echo on; sleep 60',
      log,
    );
    await cli.prints(/on/);
    expect(readFileSync(log, 'utf8')).toBe('ran\nran\nran\n');
    expect(cli.stderr).toContain('the command ended with 1; campaigning');
    cli.kill('SIGTERM');
    expect(await cli.ended).toMatchObject({ code: 143 });
  });

  it('ends the command when the lead is lost, and starts it again when it leads again', { timeout: 60_000 }, async () => {
    const name = randomUUID();
    await using cli = lead(name, ['--ttl', '2s'], ...STAYS);
    await cli.prints(/leads/);
    await force(name);
    await cli.prints(/leads[^]*leads/);
    expect(cli.stderr).toContain('is lost (taken); ending the command');
    expect(cli.stderr).toContain('; the command was ended by SIGTERM');
  });

  it('with --exit-on-loss ends with 79 then', async () => {
    const name = randomUUID();
    await using cli = lead(name, ['--ttl', '2s', '--exit-on-loss'], ...STAYS);
    await cli.prints(/leads/);
    await force(name);
    expect(await cli.ended).toMatchObject({ code: 79 });
  });

  it('ends while it waits to be elected, and leaves nothing behind', async () => {
    const name = randomUUID();
    await using locks = await connect(server.url);
    const lease = await locks.acquire(`election/${name}`);
    await using cli = lead(name, [], 'echo', 'never');
    await until('it waits', async () => ((await locks.inspect(`election/${name}`)).waiters ?? 0) > 0);
    cli.kill('SIGTERM');
    expect(await cli.ended).toMatchObject({ code: 143, stdout: '' });
    await lease.release();
    await until('nobody leads', async () => !(await locks.inspect(`election/${name}`)).held);
  });

  it('refuses what it cannot do', async () => {
    const url = server.url;
    expect(await runCli(['lead', 'x', '--step-down', '30s', '--', 'true'], { url })).toMatchObject({ code: 64 });
    expect(await runCli(['lead', 'x'], { url })).toMatchObject({ code: 64 });
    expect(await runCli(['leader', ''], { url })).toMatchObject({ code: 64 });
    expect(await runCli(['lead', 'x', '--', 'true'], { url: 'redis://127.0.0.1:1?commandTimeoutMs=200' })).toMatchObject({ code: 69 });
  });
});
