import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { until } from '@holdfast/test/servers';
import { runCommand } from './run-command.js';

/** The command as people get it. */
export const bin = fileURLToPath(new URL('../bin/holdfast.js', import.meta.url));

export interface CliOptions {
  readonly url?: string | undefined;
  readonly cwd?: string | undefined;
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
}

export interface CliResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running `holdfast`. */
export class CliProcess implements AsyncDisposable {
  stdout = '';
  stderr = '';
  readonly ended: Promise<CliResult>;
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.ended = new Promise((resolve, reject) => {
      child.on('error', reject);
      // Not 'close': a command that went on alone would hold our pipes.
      child.on('exit', (code, signal) => setImmediate(() => resolve({ code, signal, stdout: this.stdout, stderr: this.stderr })));
    });
  }

  /** Waits until it has printed this on stdout, and answers the match. */
  async prints(pattern: RegExp): Promise<RegExpExecArray> {
    await until(`${pattern} on stdout`, () => pattern.test(this.stdout) || this.#child.exitCode !== null, { timeoutMs: 20_000 });
    const match = pattern.exec(this.stdout);
    if (match === null) throw new Error(`it ended with ${this.#child.exitCode} and printed\n${this.stdout}\n${this.stderr}`);
    return match;
  }

  /** Waits until it has printed this on stderr. */
  async tells(pattern: RegExp): Promise<void> {
    await until(`${pattern} on stderr`, () => pattern.test(this.stderr), { timeoutMs: 20_000 });
  }

  /** Nobody reads its stderr any more. */
  closeStderr(): void {
    this.#child.stderr?.destroy();
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The guard ends what it was running.
    this.#child.kill('SIGKILL');
    await this.ended;
  }
}

/** The URL for a process that has to share a busy machine with a test run: nobody means to see how long it takes. */
export function patient(url: string, commandTimeoutMs = 10_000): string {
  return `${url}?commandTimeoutMs=${commandTimeoutMs}`;
}

/** Starts `holdfast` with these arguments, away from any configuration of this machine. */
export function startCli(args: readonly string[], { url, cwd, env }: CliOptions = {}): CliProcess {
  const child = spawn(process.execPath, [bin, ...args], {
    cwd: cwd ?? tmpdir(),
    env: { ...process.env, HOLDFAST_URL: url, FORCE_COLOR: undefined, NO_COLOR: undefined, NODE_OPTIONS: undefined, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return new CliProcess(child);
}

export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return startCli(args, options).ended;
}

/** Whether a process is there, as something other than a zombie that nobody has collected. */
export async function isRunning(pid: number): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  return /^[^Z]/.test((await ps('-o', 'stat=', '-p', String(pid))).trim());
}

/** What `ps` says. */
export async function ps(...args: readonly string[]): Promise<string> {
  return (await runCommand('ps', args)).stdout;
}

/** Resolves when it is gone. */
export async function untilGone(pid: number, timeoutMs = 15_000): Promise<void> {
  await until(`process ${pid} is gone`, async () => !(await isRunning(pid)), { timeoutMs });
}

/** An empty folder of this test's own. */
export function temporaryFolder(): { readonly path: string; readonly [Symbol.dispose]: () => void } {
  const path = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
