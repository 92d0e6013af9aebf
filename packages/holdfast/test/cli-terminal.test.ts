import { spawn } from 'node:child_process';
import process from 'node:process';
import { until } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { bin, runCli } from './cli-process.js';

/** `holdfast` at a terminal, which `script` makes: on Linux and on macOS, each in its own way. */
class Terminal implements AsyncDisposable {
  shown = '';
  readonly ended: Promise<number | null>;
  readonly #child;

  constructor(args: readonly string[], env: Readonly<Record<string, string | undefined>> = {}) {
    const command = [process.execPath, bin, ...args];
    // Without exec, some shells stay in between, and die of the Ctrl-C that is for the command.
    const quoted = command.map((part) => `'${part.replaceAll("'", `'\\''`)}'`).join(' ');
    const script = process.platform === 'darwin' ? ['-q', '/dev/null', ...command] : ['-qefc', `exec ${quoted}`, '/dev/null'];
    this.#child = spawn('script', script, {
      env: {
        ...process.env,
        HOLDFAST_URL: 'memory:',
        SHELL: '/bin/sh',
        TERM: 'xterm-256color',
        FORCE_COLOR: undefined,
        NO_COLOR: undefined,
        CI: undefined,
        ...env,
      },
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: 60_000,
    });
    this.#child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.shown += text;
    });
    this.ended = new Promise((resolve, reject) => this.#child.on('error', reject).on('close', resolve));
  }

  async type(text: string, after: RegExp): Promise<void> {
    await until(`${after} is shown`, () => after.test(this.shown), { timeoutMs: 20_000 });
    this.#child.stdin.write(text);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    this.#child.kill('SIGKILL');
    await this.ended;
  }
}

const COLOUR = '\u001b[3';

describe('at a terminal, holdfast', () => {
  it('has colours, and none with NO_COLOR or in a pipe', async () => {
    await using coloured = new Terminal(['health']);
    expect(await coloured.ended).toBe(0);
    expect(coloured.shown).toContain(COLOUR);
    await using plain = new Terminal(['health'], { NO_COLOR: '1' });
    expect(await plain.ended).toBe(0);
    expect(plain.shown).toContain('took and freed a lock');
    expect(plain.shown).not.toContain(COLOUR);
    expect((await runCli(['health', '--url', 'memory:'])).stdout).not.toContain(COLOUR);
    expect((await runCli(['lss'])).stderr).not.toContain(COLOUR);
  });

  it.each([
    ['no', 'n\r', 1],
    ['nothing', '\r', 1],
    ['Ctrl-C', '\u0003', 1],
    ['Ctrl-D', '\u0004', 1],
    ['yes', 'y\r', 0],
  ])('asks before it runs the conformance suite, and takes %s for an answer', async (_, answer, code) => {
    await using terminal = new Terminal(['conformance', '--only', 'arguments']);
    await terminal.type(answer, /Run them\? \[y\/N\] /);
    expect(await terminal.ended).toBe(code);
    expect(terminal.shown).toMatch(code === 0 ? /\d\d passed, 0 failed/ : /nothing was run/);
  });

  it.each([
    ['in a session of its own', []],
    ['in the foreground', ['--foreground']],
  ])('passes Ctrl-C on once to a command %s, and gives it the keyboard', async (_, options) => {
    const script = `trap 'echo inter''rupted' INT; echo rea''dy; read -r line; echo "heard $line"; read -r line; exit 7`;
    await using terminal = new Terminal(['run', 'a', ...options, '--', 'sh', '-c', script]);
    await terminal.type('hello\r', /ready/);
    await terminal.type('\u0003', /heard hello/);
    await until('the command was interrupted', () => terminal.shown.includes('interrupted'));
    await terminal.type('\r', /interrupted/);
    expect(await terminal.ended).toBe(7);
    expect(terminal.shown.split('interrupted')).toHaveLength(2);
  });
});
