import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ControlSignal, LaunchPlan, ServerRunner } from './server-spec.js';
import { until } from './until.js';
import { startWatchdog, type Watchdog } from './watchdog.js';

/** A server run from a program on this machine, in a directory of its own; both end with this process at the latest. */
export class BinaryRunner implements ServerRunner {
  readonly source = 'binary';
  readonly #program: string;
  readonly #plan: LaunchPlan;
  readonly #directory: string;
  readonly #watchdog: Watchdog;
  #child: ChildProcess | null = null;

  private constructor(program: string, plan: LaunchPlan, directory: string) {
    this.#program = program;
    this.#plan = plan;
    this.#directory = directory;
    this.#watchdog = startWatchdog(directory);
  }

  static async create(program: string, plan: LaunchPlan): Promise<BinaryRunner> {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-server-'));
    const runner = new BinaryRunner(program, plan, directory);
    for (const [name, content] of Object.entries(plan.files)) await writeFile(join(directory, name), content);
    return runner;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get isRunning(): boolean {
    return this.#child !== null;
  }

  async start(): Promise<void> {
    const output = openSync(this.#logFile, 'a');
    try {
      // detached: a Ctrl-C in the terminal must reach the tests first, not take the server away under them.
      const child = spawn(this.#program, this.#plan.args(this.#directory), {
        cwd: this.#directory,
        stdio: ['ignore', output, output],
        detached: true,
      });
      if (child.pid !== undefined) this.#watchdog.watch(child.pid);
      child.once('exit', () => {
        this.#child = null;
        this.#watchdog.watch(null);
      });
      this.#child = child;
      await once(child, 'spawn');
      child.unref();
    } catch (error) {
      this.#child = null;
      throw error;
    } finally {
      closeSync(output);
    }
  }

  async signal(signal: ControlSignal): Promise<void> {
    const child = this.#child;
    if (!child) throw new Error(`${this.#program} does not run, so it cannot be sent ${signal}`);
    child.kill(signal);
    if (signal === 'SIGKILL') await this.ended();
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') await untilStopped(child, signal === 'SIGSTOP');
  }

  async ended(): Promise<void> {
    const child = this.#child;
    if (!child) return;
    child.ref();
    await once(child, 'exit');
  }

  async log(): Promise<string> {
    return readFile(this.#logFile, 'utf8').catch(() => '');
  }

  async dispose(): Promise<void> {
    if (this.#child) await this.signal('SIGKILL');
    await this.#watchdog.finish();
  }

  get #logFile(): string {
    return join(this.#directory, 'server.log');
  }
}

/** kill(2) returns before the other process has stopped; on Linux its state can be read, elsewhere the signal has to do. */
async function untilStopped(child: ChildProcess, stopped: boolean): Promise<void> {
  if (process.platform !== 'linux') return;
  await until(`process ${child.pid} ${stopped ? 'stopped' : 'continued'}`, async () => {
    const stat = await readFile(`/proc/${child.pid}/stat`, 'utf8').catch(() => '');
    if (stat === '') return true; // It ended meanwhile.
    // The state follows the command in parentheses, which may itself contain any character.
    return (stat.charAt(stat.lastIndexOf(')') + 2) === 'T') === stopped;
  });
}
