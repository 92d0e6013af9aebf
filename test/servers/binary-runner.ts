import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { chown, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { descendantsOf, signalAll } from './process-tree.js';
import type { ControlSignal, LaunchPlan, ServerRunner, ServerSpec } from './server-spec.js';
import { unprivilegedUser, type UserIds } from './unprivileged-user.js';
import { until } from './until.js';
import { startWatchdog, type Watchdog } from './watchdog.js';

/** A server run from a program on this machine, in a directory of its own; both end with this process at the latest. */
export class BinaryRunner implements ServerRunner {
  readonly source = 'binary';
  readonly #program: string;
  readonly #plan: LaunchPlan;
  readonly #directory: string;
  readonly #hasChildren: boolean;
  readonly #user: UserIds | null;
  readonly #watchdog: Watchdog;
  #child: ChildProcess | null = null;

  private constructor(spec: ServerSpec, program: string, plan: LaunchPlan, directory: string, user: UserIds | null) {
    this.#program = program;
    this.#plan = plan;
    this.#directory = directory;
    this.#hasChildren = spec.hasChildren ?? false;
    this.#user = user;
    this.#watchdog = startWatchdog(directory);
  }

  static async create(spec: ServerSpec, program: string, plan: LaunchPlan): Promise<BinaryRunner> {
    const user = await unprivilegedUser(spec);
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-server-'));
    const runner = new BinaryRunner(spec, program, plan, directory, user);
    try {
      await runner.#prepare();
    } catch (error) {
      await runner.dispose();
      throw error;
    }
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
        env: { ...process.env, ...this.#plan.environment },
        stdio: ['ignore', output, output],
        detached: true,
        ...this.#user,
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
    if (this.#hasChildren && child.pid !== undefined && signal !== 'SIGTERM') return this.#signalAll(child, child.pid, signal);
    child.kill(signal);
    if (signal === 'SIGKILL') await this.ended();
    if (signal === 'SIGSTOP' || signal === 'SIGCONT') await untilStopped(child.pid, signal === 'SIGSTOP');
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

  async #prepare(): Promise<void> {
    const { files, prepare } = this.#plan;
    for (const [name, content] of Object.entries(files)) await writeFile(join(this.#directory, name), content);
    if (this.#user !== null) {
      for (const name of ['', ...Object.keys(files)]) await chown(join(this.#directory, name), this.#user.uid, this.#user.gid);
    }
    for (const { program, args } of (await prepare?.(this.#directory)) ?? []) {
      await promisify(execFile)(program, args, { cwd: this.#directory, ...this.#user });
    }
  }

  /** The parent first, so that it starts no other when its children end; then they are looked for again, as one may just have come. */
  async #signalAll(child: ChildProcess, pid: number, signal: ControlSignal): Promise<void> {
    if (signal === 'SIGKILL') {
      child.kill('SIGSTOP');
      await untilStopped(pid, true);
    }
    if (signal === 'SIGSTOP') child.kill(signal);
    const children = await descendantsOf(pid);
    signalAll(children, signal);
    if (signal !== 'SIGSTOP') child.kill(signal);
    if (signal === 'SIGKILL') {
      await this.ended();
      await until('its processes have ended', async () => (await Promise.all(children.map(hasEnded))).every(Boolean));
      return;
    }
    await Promise.all([pid, ...children].map((one) => untilStopped(one, signal === 'SIGSTOP')));
  }
}

/** kill(2) returns before the other process has stopped; on Linux its state can be read, elsewhere the signal has to do. */
async function untilStopped(pid: number | undefined, stopped: boolean): Promise<void> {
  if (process.platform !== 'linux') return;
  await until(`process ${pid} ${stopped ? 'stopped' : 'continued'}`, async () => {
    const state = await stateOf(pid);
    // One that ended just before stays a zombie while its parent stands still.
    return state === null || state === 'Z' || (state === 'T') === stopped;
  });
}

async function hasEnded(pid: number): Promise<boolean> {
  const state = await stateOf(pid);
  return state === null || state === 'Z';
}

/** The letter of a process's state; null when it has ended, or where it cannot be read. */
async function stateOf(pid: number | undefined): Promise<string | null> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The state follows the command in parentheses, which may itself contain any character.
  return stat === '' ? null : stat.charAt(stat.lastIndexOf(')') + 2);
}
