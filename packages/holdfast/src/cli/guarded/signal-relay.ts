import process from 'node:process';
import { CliError } from '../cli-error.js';
import { codeOfSignal } from '../exit-codes.js';

/** What may be asked of a program from outside. */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGHUP'] as const;
const OTHERS = ['SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const;
/** Those that somebody repeats who wants an end of it. Daemons get SIGHUP time and again, to read their configuration. */
const INSISTING: ReadonlySet<string> = new Set(['SIGINT', 'SIGTERM', 'SIGQUIT']);
/** What a terminal sends to all of the foreground, so that the command has it already. */
const BY_TERMINAL: ReadonlySet<string> = new Set(['SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGWINCH']);

/** What gets the signals while it runs. */
export interface SignalTarget {
  signal(signal: NodeJS.Signals): void;
  /** Whether it shares our place in the terminal. */
  readonly isForeground: boolean;
  /** The second request to end: it has the grace left. */
  insist(): void;
  suspend(): void;
  resume(): void;
}

/**
 * Takes every signal that can be taken. Before the command runs, one that asks for an end ends the wait; while it runs,
 * each is passed on. The second request to end sets the grace going, the third is SIGKILL.
 */
export class SignalRelay {
  readonly #interrupt = new AbortController();
  readonly #removers: (() => void)[] = [];
  #target: SignalTarget | null = null;
  #requests = 0;

  constructor() {
    for (const signal of [...ENDING, ...OTHERS]) this.#on(signal, () => this.#pass(signal));
    // Ctrl-Z. A command in a session of its own has to be sent the signal; then we stop as we were asked to.
    this.#on('SIGTSTP', () => {
      if (this.#target?.isForeground === false) this.#target.suspend();
      process.kill(process.pid, 'SIGSTOP');
    });
    this.#on('SIGCONT', () => {
      if (this.#target?.isForeground === false) this.#target.resume();
    });
  }

  /** Aborts with a CliError (128 + n) when an end was asked for and no command was running. */
  get interrupted(): AbortSignal {
    return this.#interrupt.signal;
  }

  /** Whether somebody wants an end of all this, and not of one command that ended by itself. */
  get isAskedToEnd(): boolean {
    return this.#requests > 0 || this.#interrupt.signal.aborted;
  }

  attach(target: SignalTarget): void {
    this.#target = target;
  }

  detach(): void {
    this.#target = null;
  }

  close(): void {
    for (const remove of this.#removers.splice(0)) remove();
  }

  #pass(signal: NodeJS.Signals): void {
    const target = this.#target;
    if (target === null) {
      if (!isEnding(signal)) return;
      // Asked twice while nothing but the store keeps us: the lock then ends by its time to live.
      if (this.#interrupt.signal.aborted) process.exit(codeOfSignal(signal));
      this.#interrupt.abort(new CliError(`interrupted by ${signal}`, codeOfSignal(signal), 'INTERRUPTED'));
      return;
    }
    if (INSISTING.has(signal)) this.#requests += 1;
    if (this.#requests === 2) target.insist();
    if (this.#requests > 2 && INSISTING.has(signal)) target.signal('SIGKILL');
    else if (!(target.isForeground && process.stdin.isTTY && BY_TERMINAL.has(signal))) target.signal(signal);
  }

  #on(signal: NodeJS.Signals, listener: () => void): void {
    process.on(signal, listener);
    this.#removers.push(() => process.removeListener(signal, listener));
  }
}

function isEnding(signal: string): boolean {
  return (ENDING as readonly string[]).includes(signal);
}
