import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { type RedisServer, reservePort, startRedis } from '@holdfast/test/servers';
import { connect, type LockManager } from 'holdfast';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { printableJson } from '../src/cli/printable.js';
import { bin, patient, runCli, temporaryFolder } from './cli-process.js';
import { runCommand } from './run-command.js';

let server: RedisServer;
let locks: LockManager;
// What a terminal acts on: escape, CSI as one character, backspace, DEL, and what turns the writing round, breaks lines or is not seen.
const NAME = 'a\u001b[31m\u009b31m\b\u007f\u202e\u2028\u{e0001}"\\';

beforeAll(async () => {
  server = await startRedis();
  locks = await connect(patient(server.url), { label: NAME });
  await locks.acquire(NAME);
});
afterAll(async () => {
  await locks?.close();
  await server?.close();
});

/** Runs it with a stdout that cannot be written to, as on a full disk. */
async function withoutOutput(args: readonly string[], url: string): Promise<{ readonly code: number | null; readonly stderr: string }> {
  const readOnly = openSync('/dev/null', 'r');
  const child = spawn(process.execPath, [bin, ...args], {
    env: { ...process.env, HOLDFAST_URL: url, NODE_OPTIONS: undefined },
    cwd: '/',
    stdio: ['ignore', readOnly, 'pipe'],
  });
  closeSync(readOnly);
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const code = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  return { code, stderr };
}

describe('a stdout that others share', () => {
  it.each(['ls', 'run job -- true'])('is theirs still after holdfast %s, also where stdout is a socket', async (line) => {
    // Under systemd, and here, as Node makes a socket where it says 'pipe'.
    const script = `"$0" "$1" ${line}; echo from the next line`;
    const { stdout, code } = await runCommand('sh', ['-c', script, process.execPath, bin], {
      env: { HOLDFAST_URL: patient(server.url) },
    });
    expect({ code, stdout: stdout.split('\n').at(-2) }).toEqual({ code: 0, stdout: 'from the next line' });
  });
});

describe('a result that cannot be written', () => {
  it.each([[['ls']], [['ls', '--json']], [['health']], [['health', '--json']], [['inspect', 'a']], [['--help']], [['--version']]])(
    'is a failure of %j, with 74',
    async (args) => {
      const { code, stderr } = await withoutOutput(args, patient(server.url));
      expect({ code, stderr }).toEqual({
        code: 74,
        stderr: expect.stringMatching(/^holdfast: the result could not be written: \w+\n$/) as string,
      });
    },
  );

  it('changes nothing of a failure, and nothing of a command that has none', async () => {
    const reserved = await reservePort();
    expect((await withoutOutput(['health', '--json'], `redis://127.0.0.1:${reserved.port}`)).code).toBe(69);
    reserved.release();
    expect(await withoutOutput(['run', 'a', '--', 'sh', '-c', 'exit 3'], patient(server.url))).toEqual({ code: 3, stderr: '' });
    expect(await withoutOutput(['run', 'a', '--', 'true'], patient(server.url))).toEqual({ code: 0, stderr: '' });
  });

  it('is none when its reader has seen enough', async () => {
    for (const [args, url, expected] of [
      [['ls'], patient(server.url), 0],
      [['health', '--json'], 'redis://127.0.0.1:1', 69],
    ] as const) {
      const child = spawn(process.execPath, [bin, ...args], {
        env: { ...process.env, HOLDFAST_URL: url, NODE_OPTIONS: undefined },
        cwd: '/',
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      child.stdout?.destroy();
      // oxlint-disable-next-line no-await-in-loop
      expect(await new Promise((resolve, reject) => child.on('error', reject).on('exit', resolve))).toBe(expected);
    }
  });
});

describe('--json', () => {
  it.each([['ls'], ['inspect']])('has nothing in it that a terminal acts on: %s', async (command) => {
    const { code, stdout } = await runCli([command, NAME, '--json'], { url: patient(server.url) });
    expect(code).toBe(0);
    expect(stdout).not.toMatch(/[^\n\x20-\x7e]/);
    const state = JSON.parse(stdout) as unknown;
    expect(command === 'ls' ? state : [state]).toMatchObject([{ name: NAME, held: true, holders: [{ label: NAME }] }]);
  });

  it('has nothing of it in a failure', async () => {
    const { code, stderr } = await runCli(['ls', '--json', '--config', `/nowhere/${NAME}`], { url: patient(server.url) });
    expect(code).toBe(64);
    expect(stderr).not.toMatch(/[^\n\x20-\x7e]/);
    expect((JSON.parse(stderr) as { error: { message: string } }).error.message).toBe(`/nowhere/${NAME}: there is no such file`);
  });

  it('says the same as without the escapes', () => {
    const every = Array.from({ length: 0x1_0000 }, (_, unit) => String.fromCharCode(unit)).join('');
    const value = { [every]: [every, '\u{e0001}\u{1f512}', '\ud800', 1, null, { a: [] }] };
    for (const indent of [undefined, 2]) {
      const text = printableJson(value, indent);
      expect(JSON.parse(text)).toEqual(value);
      expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
    }
  });
});

describe('our own words', () => {
  it('stay as they are, whatever the password is', async () => {
    const reserved = await reservePort();
    const { code, stderr } = await runCli(['ls'], { url: `redis://redis:connection@127.0.0.1:${reserved.port}` });
    reserved.release();
    expect(code).toBe(69);
    expect(stderr).toMatch(/^holdfast: redis:\/\/\*\*\*@127\.0\.0\.1:\d+: the connection failed \(ECONNREFUSED\)/);
    const refused = await runCli(['ls', '--url', 'redis://usage:server@h?colour=red']);
    expect(refused.code).toBe(64);
    expect(refused.stderr).toContain('unknown option "colour"');
  });

  it('are all that is shown of a secret, also of what nobody caught', async () => {
    using folder = temporaryFolder();
    await writeFile(
      join(folder.path, 'late.mjs'),
      `setTimeout(() => { throw new Error('no key begins with SECRET'); }, 100); export default {};`,
    );
    const { code, stderr } = await runCli(['run', 'a', '--config', join(folder.path, 'late.mjs'), '--', 'sleep', '20'], {
      url: `${server.url}?prefix=SECRET`,
    });
    expect({ code, stderr }).toEqual({ code: 70, stderr: 'holdfast: no key begins with ***\n' });
  });

  it('quote no URL that was typed where none belongs', async () => {
    const { code, stderr } = await runCli(['redis://:SECRET@h', 'health']);
    expect(code).toBe(64);
    expect(stderr).toMatch(/unknown command 'redis:\/\/\*\*\*@h'/);
  });
});
