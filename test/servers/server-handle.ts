import type { LaunchPlan, ServerRunner, ServerSource } from './server-spec.js';
import { until } from './until.js';

/** How long a server may take to answer after its start, on a machine that is busy with other tests. */
const START_TIMEOUT_MS = 30_000;
/** How long a server may take to end by itself before it is ended. */
const STOP_TIMEOUT_MS = 10_000;

/** What a test can do to a real server. Each promise resolves when the effect is there, not when it was asked for. */
export interface ServerHandle extends AsyncDisposable {
  readonly source: ServerSource;
  /** undefined while it does not run, and for a server that is not a process of this machine. */
  readonly pid: number | undefined;
  readonly isRunning: boolean;
  /** Stops the process where it stands (SIGSTOP): connections stay open and nothing answers. */
  pause(): Promise<void>;
  /** Lets a paused process go on (SIGCONT). */
  continue(): Promise<void>;
  /** Ends the process at once (SIGKILL), paused or not. Its port and directory stay its own for `restart`. */
  kill(): Promise<void>;
  /** Lets the process end properly (SIGTERM). Its port and directory stay its own for `restart`. */
  stop(): Promise<void>;
  /** Stops it if it runs, then starts it on the same port and directory, and waits until it answers. */
  restart(): Promise<void>;
  /** What the server has printed so far. */
  log(): Promise<string>;
  /** Ends it without asking and frees its port and directory. May be called twice; also `await using`. */
  close(): Promise<void>;
}

/** A handle on a server that these tests started. */
export class OwnServer implements ServerHandle {
  readonly #title: string;
  readonly #runner: ServerRunner;
  readonly #plan: LaunchPlan;
  readonly #onClose: () => Promise<void>;
  #closing: Promise<void> | null = null;

  constructor(title: string, runner: ServerRunner, plan: LaunchPlan, onClose: () => Promise<void>) {
    this.#title = title;
    this.#runner = runner;
    this.#plan = plan;
    this.#onClose = onClose;
  }

  get source(): ServerSource {
    return this.#runner.source;
  }

  get pid(): number | undefined {
    return this.#runner.pid;
  }

  get isRunning(): boolean {
    return this.#runner.isRunning;
  }

  /** Starts the process and waits until it answers. @throws Error with what the server printed when it ends instead. */
  async start(): Promise<void> {
    if (this.#closing) throw new Error(`this ${this.#title} was closed`);
    await this.#runner.start();
    await until(
      `${this.#title} answers on port ${this.#plan.ports.join(', ')}`,
      async () => !this.#runner.isRunning || (await this.#plan.isReady()),
      { timeoutMs: START_TIMEOUT_MS, everyMs: 5 },
    );
    if (!this.#runner.isRunning) throw new Error(`${this.#title} ended while it started. It printed:\n${await this.log()}`);
  }

  async pause(): Promise<void> {
    await this.#runner.signal('SIGSTOP');
  }

  async continue(): Promise<void> {
    await this.#runner.signal('SIGCONT');
  }

  async kill(): Promise<void> {
    await this.#runner.signal('SIGKILL');
  }

  async stop(): Promise<void> {
    if (!this.#runner.isRunning) return;
    await this.#runner.signal('SIGTERM');
    // A paused process gets SIGTERM only once it goes on.
    await this.#runner.signal('SIGCONT').catch(() => {});
    let timer: NodeJS.Timeout | undefined;
    const tooLong = new Promise<'too long'>((resolve) => {
      timer = setTimeout(resolve, STOP_TIMEOUT_MS, 'too long');
    });
    const result = await Promise.race([this.#runner.ended(), tooLong]);
    clearTimeout(timer);
    if (result === 'too long') await this.#runner.signal('SIGKILL');
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  log(): Promise<string> {
    return this.#runner.log();
  }

  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #end(): Promise<void> {
    try {
      await this.#runner.dispose();
    } finally {
      await this.#onClose();
    }
  }
}
