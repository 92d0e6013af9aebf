import { type ChildProcess, spawn } from 'node:child_process';
import process from 'node:process';
import { CliError } from '../cli-error.js';
import { exitCodes } from '../exit-codes.js';
import { printable } from '../printable.js';
import { endProcesses, signalTo } from './end-processes.js';

/** How a command ended: one of both is null. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface CommandOptions {
  readonly env: NodeJS.ProcessEnv;
  /** In our own process group, where the terminal finds it; then signals reach the command itself only. */
  readonly foreground: boolean;
}

/** A running command, and with it whatever it started and did not move to a group of its own. */
export class CommandGroup {
  readonly ended: Promise<Ending>;
  readonly #child: ChildProcess;
  /** What kill(2) takes: the group, or the process. */
  readonly target: number;

  private constructor(child: ChildProcess, pid: number, isGroup: boolean) {
    this.#child = child;
    this.target = isGroup ? -pid : pid;
    this.ended = new Promise((resolve) => child.once('exit', (code, signal) => resolve({ code, signal })));
  }

  /** Starts a command with our standard streams. @throws CliError 127 or 126 when there is no such command, or it cannot be run */
  static async start([command = '', ...args]: readonly string[], { env, foreground }: CommandOptions): Promise<CommandGroup> {
    // Windows has no process groups to signal.
    const isGroup = !foreground && process.platform !== 'win32';
    let child: ChildProcess;
    try {
      child = spawn(command, args, { stdio: 'inherit', env, detached: isGroup });
    } catch (error) {
      throw cannotRun(command, error as NodeJS.ErrnoException);
    }
    if (child.pid === undefined) throw cannotRun(command, await new Promise((resolve) => child.once('error', resolve)));
    child.on('error', () => {});
    return new CommandGroup(child, child.pid, isGroup);
  }

  /** Sends a signal to all of the group. */
  signal(signal: NodeJS.Signals): void {
    if (process.platform === 'win32') this.#child.kill(signal);
    else signalTo(this.target, signal);
  }

  /** Ends all of the group: SIGTERM, and SIGKILL to what still runs after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    await endProcesses(
      (signal) => this.signal(signal),
      () => this.#isAlive(),
      graceMs,
    );
  }

  #isAlive(): boolean {
    if (this.#child.exitCode === null && this.#child.signalCode === null) return true;
    return this.target < 0 && signalTo(this.target, 0);
  }
}

/** For some reasons Node throws, for others it emits an error. */
function cannotRun(command: string, { code, message }: NodeJS.ErrnoException): CliError {
  return code === 'ENOENT' || command === ''
    ? new CliError(`${printable(command)}: command not found${shellHint(command)}`, exitCodes.notFound, 'COMMAND_NOT_FOUND')
    : new CliError(`${printable(command)}: cannot be run: ${code ?? message}`, exitCodes.notExecutable, 'COMMAND_NOT_EXECUTABLE');
}

/** A whole line in one argument is what other tools hand to a shell. */
function shellHint(command: string): string {
  return /[\s|&;<>$]/.test(command) ? " (there is no shell in between; for one, run it as sh -c '...')" : '';
}
