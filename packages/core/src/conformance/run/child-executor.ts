import type { ChildProcess } from 'node:child_process';
import { ConformanceError } from '../case-failure.js';
import type { ConformanceCase } from '../conformance-case.js';
import type { CaseExecutor, CaseRun } from './case-executor.js';
import type { ChildMessage, RunMessage } from './child-messages.js';

/** A child whose event loop has not turned for so long stands still: cases have deadlines of their own. */
export const STALL_MS = 20_000;
/** Loading the suite and its backend on a busy machine. */
const START_MS = 30_000;

/** Runs cases in a child process, so that a backend that ends or blocks its process costs one case and not the report. */
export class ChildExecutor implements CaseExecutor {
  readonly strays: string[] = [];
  readonly #fork: () => ChildProcess;
  readonly #stallMs: number;
  #shared: Promise<Child> | null = null;
  readonly #children = new Set<Child>();

  /** @param fork starts a child that calls `serveConformance`, with a channel for messages */
  constructor(fork: () => ChildProcess, stallMs: number) {
    this.#fork = fork;
    this.#stallMs = stallMs;
  }

  async run(testCase: ConformanceCase): Promise<CaseRun> {
    const start = performance.now();
    try {
      const shared = await this.#child();
      const outcome = await shared.run(testCase);
      if (typeof outcome !== 'string') return outcome;
      // It was not alone: which of them ended the process shows in a process of its own.
      if (shared.casesAtTheEnd > 1) return await this.#runAlone(testCase);
      return failed(testCase, outcome, start);
    } catch (error) {
      return failed(testCase, error instanceof Error ? error.message : String(error), start);
    }
  }

  async versions(): Promise<Readonly<Record<string, string>>> {
    return (await this.#child()).versions;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#children].map((child) => child.end()));
  }

  async #runAlone(testCase: ConformanceCase): Promise<CaseRun> {
    const start = performance.now();
    const child = await this.#open();
    try {
      const outcome = await child.run(testCase);
      return typeof outcome === 'string' ? failed(testCase, outcome, start) : outcome;
    } finally {
      await child.end();
    }
  }

  async #child(): Promise<Child> {
    if (this.#shared !== null && (await this.#shared.catch(() => null))?.isAlive !== false) return await this.#shared;
    this.#shared = this.#open();
    return await this.#shared;
  }

  async #open(): Promise<Child> {
    const child = new Child(this.#fork(), this.#stallMs, (stray) => this.strays.push(stray));
    this.#children.add(child);
    await child.ready;
    return child;
  }
}

/** One child process, and what it is at. */
class Child {
  readonly ready: Promise<void>;
  versions: Readonly<Record<string, string>> = {};
  isAlive = true;
  /** How many cases ran when it ended. */
  casesAtTheEnd = 0;
  readonly #process: ChildProcess;
  readonly #gone: Promise<void>;
  readonly #pending = new Map<string, (outcome: CaseRun | string) => void>();
  #isReady!: () => void;

  constructor(child: ChildProcess, stallMs: number, onStray: (stray: string) => void) {
    this.#process = child;
    let failedToStart!: (error: Error) => void;
    this.ready = new Promise((resolve, reject) => {
      this.#isReady = resolve;
      failedToStart = reject;
    });
    this.ready.catch(() => {});
    let why: string | null = null;
    const end = (reason: string): void => {
      why ??= reason;
      child.kill('SIGKILL');
    };
    const stalled = (): void => end(`its event loop stood still for ${stallMs} ms`);
    let timer = setTimeout(() => end(`it was not ready within ${START_MS} ms`), START_MS);
    this.#gone = new Promise((resolve) => {
      const gone = (how: string): void => {
        clearTimeout(timer);
        if (!this.isAlive) return;
        this.isAlive = false;
        this.casesAtTheEnd = this.#pending.size;
        failedToStart(new Error(`the process of the suite could not start: ${why ?? how}`));
        for (const settle of this.#pending.values()) settle(`the process ended while the case ran: ${why ?? how}`);
        this.#pending.clear();
        resolve();
      };
      child.once('error', (error) => gone(error.message));
      child.once('exit', (code, signal) => gone(signal ?? `exit code ${code}`));
    });
    child.on('message', (message: ChildMessage) => {
      clearTimeout(timer);
      timer = setTimeout(stalled, stallMs);
      if ('ready' in message) {
        this.versions = message.versions;
        this.#isReady();
      } else if ('stray' in message) onStray(message.stray);
      else if ('id' in message) {
        this.#pending.get(message.id)?.(message.outcome);
        this.#pending.delete(message.id);
      }
    });
  }

  /** How it ended; as text why the process ended instead. */
  async run({ id }: ConformanceCase): Promise<CaseRun | string> {
    if (!this.isAlive) return 'the process had ended';
    return await new Promise<CaseRun | string>((resolve) => {
      this.#pending.set(id, resolve);
      this.#process.send({ run: id } satisfies RunMessage, () => {});
    });
  }

  async end(): Promise<void> {
    if (this.isAlive) this.#process.kill('SIGKILL');
    await this.#gone;
  }
}

function failed(testCase: ConformanceCase, message: string, start: number): CaseRun {
  const { failure } = new ConformanceError(testCase, new Error(message), []);
  return { status: 'failed', failure, ms: Math.round(performance.now() - start) };
}
