import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { JobName, Jobs, Opening, Order, Report } from './protocol.js';

const workerFile = fileURLToPath(new URL('./worker.js', import.meta.url));

interface Pending {
  resolve(value: unknown): void;
  reject(error: Error): void;
  onEvent(value: unknown): void;
}

/** A job under way in another process. */
export interface RunningJob<J extends JobName> {
  /** The first report of the job; rejects when the job fails before it. */
  readonly reported: Promise<Jobs[J]['event']>;
  readonly done: Promise<Jobs[J]['output']>;
  /** Tells the job that it is enough. */
  poke(): void;
}

/** One more process of a user's service, seen from the benchmark. */
export class WorkerProcess {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, Pending>();
  #lastId = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (report: Report) => this.#hear(report));
    child.on('exit', (code, signal) => this.#fail(new Error(`a worker ended by itself (${signal ?? `exit ${code}`})`)));
    child.on('error', (error) => this.#fail(error));
  }

  /** @param flags of Node, such as --expose-gc */
  static async start(flags: readonly string[] = []): Promise<WorkerProcess> {
    const child = fork(workerFile, { execArgv: [...process.execArgv.filter((flag) => !flag.startsWith('--cpu-prof')), ...flags] });
    await once(child, 'spawn');
    return new WorkerProcess(child);
  }

  async open(opening: Opening): Promise<void> {
    await new Promise<unknown>((resolve, reject) => {
      const id = this.#expect({ resolve, reject, onEvent: () => undefined });
      this.#send({ type: 'open', id, opening });
    });
  }

  run<J extends JobName>(library: string, job: J, input: Jobs[J]['input']): RunningJob<J> {
    let heard = (_value: unknown): void => undefined;
    let deaf = (_error: Error): void => undefined;
    const reported = new Promise<unknown>((resolve, reject) => {
      heard = resolve;
      deaf = reject;
    });
    // Each of the two may be waited for alone; the one who stops waiting for both must not end the benchmark.
    reported.catch(() => undefined);
    let id = 0;
    const done = new Promise<unknown>((resolve, reject) => {
      const fail = (error: Error): void => {
        deaf(error);
        reject(error);
      };
      id = this.#expect({ resolve, reject: fail, onEvent: heard });
      this.#send({ type: 'run', id, library, job, input });
    });
    done.catch(() => undefined);
    return {
      reported: reported as Promise<Jobs[J]['event']>,
      done: done as Promise<Jobs[J]['output']>,
      poke: () => this.#send({ type: 'poke', id }),
    };
  }

  /** Ends the process whatever it does; a waiter of a library that cannot be asked to stop ends with it. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await exited;
  }

  #expect(pending: Pending): number {
    const id = ++this.#lastId;
    this.#pending.set(id, pending);
    return id;
  }

  #send(order: Order): void {
    this.#child.send(order);
  }

  #hear(report: Report): void {
    const pending = this.#pending.get(report.id);
    if (pending === undefined) return;
    if (report.type === 'event') {
      pending.onEvent(report.value);
      return;
    }
    this.#pending.delete(report.id);
    if (report.type === 'done') pending.resolve(report.value);
    else pending.reject(new Error(report.message));
  }

  #fail(error: Error): void {
    for (const pending of this.#pending.values()) pending.reject(error);
    this.#pending.clear();
  }
}

/** Starts several with nothing open. */
export function startProcesses(count: number, flags: readonly string[] = []): Promise<readonly WorkerProcess[]> {
  return Promise.all(Array.from({ length: count }, () => WorkerProcess.start(flags)));
}

/** Starts several, each with the same library open. */
export async function startWorkers(count: number, opening: Opening, flags: readonly string[] = []): Promise<readonly WorkerProcess[]> {
  const workers = await startProcesses(count, flags);
  try {
    await Promise.all(workers.map((worker) => worker.open(opening)));
    return workers;
  } catch (error) {
    await endWorkers(workers);
    throw error;
  }
}

/** Ends them all. */
export async function endWorkers(workers: readonly WorkerProcess[]): Promise<void> {
  await Promise.all(workers.map((worker) => worker.end()));
}
