import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { exitCodes } from '../src/cli/exit-codes.js';
import { bin, runCli } from './cli-process.js';
import { runCommand } from './run-command.js';

const COMMANDS = [
  'run',
  'once',
  'lead',
  'leader',
  'hold',
  'acquire',
  'renew',
  'free',
  'ls',
  'inspect',
  'force-release',
  'release',
  'health',
  'doctor',
  'init-nodes',
  'conformance',
  'new-backend',
  'schema',
  'completion',
  'man',
] as const;
const TAKE = ['--wait', '--permits', '--read', '--write', '--busy-ok', '--busy-code', '--verbose'];
const OPTIONS: Readonly<Record<(typeof COMMANDS)[number], readonly string[]>> = {
  run: [...TAKE, '--ttl', '--max-hold', '--label', '--grace', '--foreground', '--report'],
  hold: [...TAKE, '--ttl', '--label', '--for', '--json'],
  acquire: [...TAKE, '--ttl', '--label', '--json'],
  renew: ['--ttl', '--json'],
  free: ['--json'],
  once: ['--window', '--ttl', '--max-hold', '--label', '--grace', '--foreground'],
  lead: ['--step-down', '--retry', '--restart', '--exit-on-loss', '--ttl', '--label', '--grace', '--foreground'],
  leader: ['--json'],
  ls: ['--json'],
  inspect: ['--kind', '--json'],
  'force-release': ['--kind', '--json'],
  release: ['--force', '--kind', '--json'],
  schema: ['--schema', '--role'],
  completion: [],
  man: [],
  health: ['--json'],
  doctor: ['--json'],
  'new-backend': ['--name'],
  'init-nodes': ['--yes', '--json'],
  conformance: [
    '--yes',
    '--only',
    '--concurrency',
    '--repeat',
    '--budget',
    '--seed',
    '--expect',
    '--harness',
    '--junit',
    '--html',
    '--json',
  ],
};

describe('holdfast --help', () => {
  it('names each command with what it does, the ways to name a store, the exit codes, and examples', async () => {
    const { code, stdout, stderr } = await runCli(['--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const command of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${command}(?: .*\\S)? {2,}[a-z]`, 'm'));
    for (const text of ['--url', 'HOLDFAST_URL', 'holdfast.config.json', 'redis://', 'memory:', '\nExamples\n'])
      expect(stdout).toContain(text);
    for (const exit of [64, 69, 70, 75, 79]) expect(stdout).toMatch(new RegExp(`\\b${exit}\\b`));
    expect(await runCli(['-h'])).toMatchObject({ code: 0, stdout });
    expect(await runCli(['help', 'run'])).toMatchObject({ code: 0, stdout: (await runCli(['run', '--help'])).stdout });
  });

  it.each(COMMANDS)('explains %s and each of its options', async (command) => {
    const { code, stdout, stderr } = await runCli([command, '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^Usage: holdfast ${command} `));
    for (const option of [...OPTIONS[command], '--url', '--config', '--no-config'])
      expect(stdout).toMatch(new RegExp(`^  (?:-\\w, )?${option}\\b`, 'm'));
    // For a terminal of 80 columns.
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
  });

  it('is what one sees without a command, on stderr and with 64', async () => {
    const { code, stdout, stderr } = await runCli([]);
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr).toBe((await runCli(['--help'])).stdout);
  });

  it('has a version', async () => {
    const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as { version: string };
    for (const option of ['--version', '-V']) expect(await runCli([option])).toMatchObject({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it('says so when Node is too old for it, and not what that Node does not know', async () => {
    const older = 'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.18.3" } })';
    const { code, stderr } = await runCommand(process.execPath, ['--import', `data:text/javascript,${older}`, bin, '--help']);
    expect({ code, stderr }).toEqual({ code: 70, stderr: 'holdfast: this is Node 20.18.3; holdfast needs 20.19 or later\n' });
  });

  it('guesses what was meant', async () => {
    const { code, stderr } = await runCli(['inspekt', 'a']);
    expect(code).toBe(64);
    expect(stderr).toBe(`holdfast: unknown command 'inspekt' (Did you mean inspect?); see holdfast --help\n`);
  });

  it('shows how a command is written when a part of it is missing', async () => {
    for (const args of [
      ['run', 'a'],
      ['run', '--', 'true'],
      ['once', 'a', '--window', '5m', '--'],
    ]) {
      const { code, stderr } = await runCli(args);
      expect(code).toBe(64);
      expect(stderr).toContain(`holdfast ${args[0]} <name> [options] -- <command> [arguments]`);
    }
  });

  it('is where failures are reported as JSON when JSON was asked for', async () => {
    const { code, stdout, stderr } = await runCli(['inspect', '--json']);
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(JSON.parse(stderr)).toEqual({
      error: {
        code: 'USAGE',
        message: `missing required argument 'name': holdfast inspect [options] <name>; see holdfast inspect --help`,
        exitCode: 64,
      },
    });
  });
});

describe('docs/cli.md', () => {
  it('has every command, every option and every exit code', async () => {
    const text = await readFile(new URL('../../../docs/cli.md', import.meta.url), 'utf8');
    for (const command of COMMANDS) {
      expect(text).toMatch(new RegExp(`^## .*\`holdfast ${command}`, 'm'));
      for (const option of OPTIONS[command]) expect(text).toContain(`\`${option}`);
    }
    for (const code of Object.values(exitCodes)) expect(text).toMatch(new RegExp(`^\\| ${code} \\|`, 'm'));
  });
});
