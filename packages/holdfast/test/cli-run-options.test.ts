import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RedisServer, startRedis, until } from '@holdfast/test/servers';
import { connect, type LockManager } from 'holdfast';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callCli } from './captured-output.js';
import { bin, patient, runCli, startCli, temporaryFolder } from './cli-process.js';

let server: RedisServer;
let locks: LockManager;
let url: string;

beforeAll(async () => {
  server = await startRedis();
  url = patient(server.url);
  locks = await connect(url);
});
afterAll(async () => {
  await locks?.close();
  await server?.close();
});

const nested = (name: string, ...options: readonly string[]): readonly string[] => [process.execPath, bin, 'run', name, ...options, '--'];

describe('holdfast run', () => {
  it('takes permits, and leaves the others to others', async () => {
    const name = randomUUID();
    await using _ = await locks.semaphore(name, { permits: 3 }).acquire();
    const { code, stdout } = await runCli(['run', name, '--permits', '2/3', '--', 'sh', '-c', 'echo "${HOLDFAST_FENCING_TOKEN-none}"'], {
      url,
    });
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'none\n' });
    expect((await callCli(['run', name, '--url', url, '--permits', '3/3', '--', 'true'])).code).toBe(75);
  });

  it('takes either side of a read/write lock', async () => {
    const name = randomUUID();
    await using _ = await locks.readWriteLock(name).read.acquire();
    expect((await callCli(['run', name, '--url', url, '--read', '--', 'true'])).code).toBe(0);
    expect((await callCli(['run', name, '--url', url, '--write', '--busy-code', '42', '--', 'true'])).code).toBe(42);
  });

  it.each([
    ['two kinds at once', ['--read', '--write']],
    ['more permits than there are', ['--permits', '4/3']],
    ['permits of nobody knows how many', ['--permits', '1']],
    ['two answers to "busy"', ['--busy-ok', '--busy-code', '3']],
    ['a code beyond all', ['--busy-code', '256']],
  ])('refuses %s with 64, and runs nothing', async (_, options) => {
    expect(await callCli(['run', 'a', ...options, '--url', url, '--', 'echo', 'never'])).toMatchObject({ code: 64, stdout: '' });
  });

  it('says what becomes of the lock with --verbose, on stderr alone', async () => {
    const name = randomUUID();
    const { code, stdout, stderr } = await runCli(['run', name, '-v', '--', 'echo', 'hello'], { url });
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'hello\n' });
    expect(stderr).toMatch(/is held \(exclusive\) after [^\n]+, token \d+\n[^\n]+ is given back after /);
  });

  it('says that it runs under a lock of the same name, at once where it waits', async () => {
    const name = randomUUID();
    // Also with another name in between.
    await using waiting = startCli(['run', name, '--', ...nested(randomUUID()), ...nested(name, '--wait', 'forever'), 'true'], { url });
    await waiting.tells(/waits for itself/);
    waiting.kill('SIGTERM');
    expect((await waiting.ended).code).toBe(143);
    expect(waiting.stderr).not.toMatch(/internal/i);
  });
});

describe('the report of holdfast run', () => {
  const reported = async (
    name: string,
    options: readonly string[],
    command: readonly string[],
  ): Promise<Readonly<Record<string, unknown>>> => {
    using folder = temporaryFolder();
    const file = join(folder.path, 'report.json');
    const { code } = await callCli(['run', name, '--url', url, '--report', file, ...options, '--', ...command]);
    const report = JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<string, unknown>>;
    expect(report['exitCode']).toBe(code);
    return report;
  };

  it('says how long it waited, its token, and how the command ended', async () => {
    const name = randomUUID();
    const report = await reported(name, [], ['sh', '-c', 'exit 3']);
    expect(report).toMatchObject({
      name,
      kind: 'lock',
      mode: 'exclusive',
      outcome: 'exited',
      exitCode: 3,
      command: { code: 3, signal: null },
      error: null,
      lostReason: null,
    });
    expect(report['fencingToken']).toMatch(/^\d+$/);
    expect(report['waitedMs']).toBeTypeOf('number');
    expect(report['heldMs']).toBeTypeOf('number');
    expect(await reported(name, ['--permits', '1/2'], ['sh', '-c', 'kill -9 $$'])).toMatchObject({
      kind: 'semaphore',
      mode: 'permits',
      fencingToken: null,
      outcome: 'killed',
      exitCode: 137,
      command: { code: null, signal: 'SIGKILL' },
    });
  });

  it('is written where nothing was run, too', async () => {
    const name = randomUUID();
    await using _ = await locks.acquire(name);
    expect(await reported(name, ['--busy-code', '7'], ['true'])).toMatchObject({
      outcome: 'busy',
      mode: null,
      command: null,
      exitCode: 7,
      error: { code: 'LOCK_TIMEOUT' },
    });
    expect(await reported(randomUUID(), ['--url', 'redis://127.0.0.1:1', '--no-config'], ['true'])).toMatchObject({
      outcome: 'refused',
      exitCode: 69,
    });
  });

  it('says that the lock was lost, and why', async () => {
    expect(await reported(randomUUID(), ['--max-hold', '2s'], ['sleep', '30'])).toMatchObject({
      outcome: 'lost',
      lostReason: 'max-hold',
      exitCode: 79,
      command: { code: null, signal: 'SIGTERM' },
    });
  });

  it('ends with 74, before anything is run, where it cannot be written', async () => {
    const name = randomUUID();
    const { code, stdout } = await callCli(['run', name, '--url', url, '--report', '/nowhere/report.json', '--', 'echo', 'never']);
    expect({ code, stdout }).toEqual({ code: 74, stdout: '' });
  });
});

describe('holdfast hold', () => {
  it('holds the lock until it is asked to end, says when it has it, and ends with 0', async () => {
    const name = randomUUID();
    await using cli = startCli(['hold', name, '--label', 'maintenance'], { url });
    await cli.prints(/ is held \(exclusive\), token \d+\n/);
    expect((await locks.inspect(name)).holders[0]?.label).toBe('maintenance');
    cli.kill('SIGTERM');
    expect(await cli.ended).toMatchObject({ code: 0, stderr: '' });
    expect((await locks.inspect(name)).held).toBe(false);
  });

  it('gives it back after --for', async () => {
    const name = randomUUID();
    const { code, stdout } = await callCli(['hold', name, '--url', url, '--write', '--for', '50ms', '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ name, kind: 'read-write', mode: 'write' });
    expect((await locks.readWriteLock(name).inspect()).held).toBe(false);
  });

  it('ends with 79 when the lock is taken away, and with 75 when somebody else has it', async () => {
    const name = randomUUID();
    await using cli = startCli(['hold', name, '--ttl', '3s'], { url });
    await cli.prints(/is held/);
    expect((await callCli(['hold', name, '--url', url])).code).toBe(75);
    expect((await callCli(['force-release', name, '--url', url])).code).toBe(0);
    expect((await cli.ended).code).toBe(79);
  });

  it('ends with 128 + n when it is asked to end while it waits', async () => {
    const name = randomUUID();
    await using _ = await locks.acquire(name);
    await using cli = startCli(['hold', name, '--wait', 'forever'], { url });
    await until('it waits', async () => ((await locks.inspect(name)).waiters ?? 0) > 0);
    cli.kill('SIGINT');
    expect((await cli.ended).code).toBe(130);
  });
});
