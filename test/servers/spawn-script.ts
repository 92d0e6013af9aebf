import { type ChildProcess, fork, type Serializable } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { until } from './until.js';
import { startWatchdog } from './watchdog.js';

export interface ScriptOptions<Incoming = unknown> {
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly execArgv?: readonly string[] | undefined;
  /** Gets every message as soon as it comes; `messages` and `next` then have none. */
  readonly onMessage?: ((message: Incoming) => void) | undefined;
}

/** A child process that runs one of our scripts and talks to the test in messages. It ends with the test process at the latest. */
export interface ScriptProcess<Incoming = unknown> extends AsyncDisposable {
  readonly pid: number;
  /** How it ended; stays pending while it runs. */
  readonly exited: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** Everything that came so far and was not taken by `next`. */
  readonly messages: readonly Incoming[];
  /** What it printed so far, both streams. */
  readonly output: string;
  /** Bigints, dates, errors and typed arrays arrive as they are. */
  send(message: Serializable): void;
  /**
   * Takes the first message that came, or the first that `matches`.
   *
   * @throws Error with what the child printed when none came in `timeoutMs` (10,000), or when it ended first.
   */
  next(matches?: (message: Incoming) => boolean, timeoutMs?: number): Promise<Incoming>;
  /** SIGSTOP: everything in it stands still, and its connections stay open. */
  pause(): void;
  /** SIGCONT. */
  continue(): void;
  /** Resolves when it is gone. @param signal SIGKILL unless given */
  kill(signal?: NodeJS.Signals): Promise<void>;
}

/**
 * Starts a script in a Node process of its own.
 *
 * @param script the script's address, `new URL('./child.ts', import.meta.url)`; for a `.ts` file the compiled one is run.
 */
export function spawnScript<Incoming = unknown>(
  script: URL,
  args: readonly string[] = [],
  options: ScriptOptions<Incoming> = {},
): ScriptProcess<Incoming> {
  const child = fork(compiled(fileURLToPath(script)), args, {
    serialization: 'advanced',
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    execArgv: [...(options.execArgv ?? [])],
    env: { ...process.env, ...options.env },
  });
  return new Script<Incoming>(child, options.onMessage);
}

class Script<Incoming> implements ScriptProcess<Incoming> {
  readonly pid: number;
  readonly exited: ScriptProcess['exited'];
  readonly messages: Incoming[] = [];
  output = '';
  readonly #child: ChildProcess;
  #hasExited = false;

  constructor(child: ChildProcess, onMessage: ScriptOptions<Incoming>['onMessage']) {
    if (child.pid === undefined) throw new Error('the child process could not be started');
    this.pid = child.pid;
    this.#child = child;
    const watchdog = startWatchdog();
    watchdog.watch(child.pid);
    this.exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#hasExited = true;
        watchdog.watch(null);
        void watchdog.finish().then(() => resolve({ code, signal }));
      });
    });
    child.on('message', onMessage ?? ((message: Incoming) => this.messages.push(message)));
    // A message to a child that has just been killed is no fault of the test.
    child.on('error', () => {});
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
      });
    }
  }

  send(message: Serializable): void {
    this.#child.send(message);
  }

  async next(matches: (message: Incoming) => boolean = () => true, timeoutMs = 10_000): Promise<Incoming> {
    let index = -1;
    const arrived = (): boolean => {
      index = this.messages.findIndex(matches);
      return index >= 0;
    };
    try {
      await until('a message from the child process', () => arrived() || this.#hasExited, { timeoutMs, everyMs: 2 });
    } catch (cause) {
      throw new Error(`no such message from the child process in ${timeoutMs} ms. It printed:\n${this.output}`, { cause });
    }
    const [message] = arrived() ? this.messages.splice(index, 1) : [];
    if (message === undefined) throw new Error(`the child process ended without such a message. It printed:\n${this.output}`);
    return message;
  }

  pause(): void {
    this.#child.kill('SIGSTOP');
  }

  continue(): void {
    this.#child.kill('SIGCONT');
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (!this.#hasExited) this.#child.kill(signal);
    await this.exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

/** Maps a source file to what `tsc -b` made of it, by the nearest tsconfig.json; other files stay as they are. */
function compiled(file: string): string {
  if (!file.endsWith('.ts')) return file;
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    const config = join(folder, 'tsconfig.json');
    if (existsSync(config)) {
      const { rootDir, outDir } = readOutput(config);
      const output = join(folder, outDir, relative(join(folder, rootDir), file)).replace(/\.ts$/, '.js');
      if (!existsSync(output)) throw new Error(`${output} is missing: build first (pnpm build)`);
      return output;
    }
    if (folder === dirname(folder)) throw new Error(`no tsconfig.json says where ${file} is compiled to`);
  }
}

function readOutput(config: string): { readonly rootDir: string; readonly outDir: string } {
  const text = readFileSync(config, 'utf8');
  const [rootDir, outDir] = ['rootDir', 'outDir'].map((option) => new RegExp(`"${option}": *"([^"]+)"`).exec(text)?.[1]);
  if (rootDir === undefined || outDir === undefined) throw new Error(`${config} names no rootDir and outDir`);
  return { rootDir, outDir };
}
