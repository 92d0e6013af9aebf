import { type ChildProcess, fork } from 'node:child_process';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { AcquireOptions, ManagerOptions, TryOptions } from '../../index.js';
import { within } from '../expectations.js';
import type { ClientModule } from '../harness.js';
import type { ClientAnswer, ClientRequest } from './client-messages.js';
import { SHIFT_VARIABLE } from './shift-date.js';

/** Loading a driver on a busy machine. */
const START_MS = 20_000;
const script = fileURLToPath(new URL('client-script.js', import.meta.url));

type Ask<R = ClientRequest> = R extends ClientRequest ? Omit<R, 'id'> : never;

/** A lease in another process. */
export interface RemoteLease {
  isHeld(): Promise<boolean>;
  release(): Promise<boolean>;
}

/** One more client of the store, in a process of its own. */
export class ClientProcess implements AsyncDisposable {
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, (answer: ClientAnswer) => void>();
  #asked = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (answer: ClientAnswer) => {
      this.#pending.get(answer.id)?.(answer);
      this.#pending.delete(answer.id);
    });
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        for (const [id, settle] of this.#pending) settle({ id, error: `the process has ended (${signal ?? code})` });
        this.#pending.clear();
        resolve();
      });
    });
  }

  /** @param shiftMs how wrong its wall clock is */
  static async start({ module, data }: ClientModule, options: ManagerOptions = {}, shiftMs = 0): Promise<ClientProcess> {
    const env = { ...process.env, [SHIFT_VARIABLE]: String(shiftMs) };
    const client = new ClientProcess(fork(script, { env, execArgv: [], stdio: ['ignore', 'ignore', 'inherit', 'ipc'] }));
    const url = module instanceof URL || module.startsWith('file:') ? String(module) : pathToFileURL(module).href;
    try {
      await within('the start of another process', client.#ask({ ask: 'open', module: url, data, options }), START_MS);
      return client;
    } catch (error) {
      await client.kill();
      throw error;
    }
  }

  async acquire(name: string, options: AcquireOptions): Promise<RemoteLease> {
    return this.#lease(await this.#ask({ ask: 'acquire', name, options }));
  }

  async tryAcquire(name: string, options: TryOptions): Promise<RemoteLease | null> {
    const answer = await this.#ask({ ask: 'tryAcquire', name, options });
    return answer === null ? null : this.#lease(answer);
  }

  /** From now on nothing of ours keeps it. */
  async leave(): Promise<void> {
    await this.#ask({ ask: 'leave' });
  }

  stop(): void {
    this.#child.kill('SIGSTOP');
  }

  continue(): void {
    this.#child.kill('SIGCONT');
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #lease(index: number | boolean | null): RemoteLease {
    const lease = Number(index);
    return {
      isHeld: async () => (await this.#ask({ ask: 'isHeld', lease })) === true,
      release: async () => (await this.#ask({ ask: 'release', lease })) === true,
    };
  }

  async #ask(ask: Ask): Promise<number | boolean | null> {
    this.#asked += 1;
    const id = this.#asked;
    const answer = await new Promise<ClientAnswer>((resolve) => {
      this.#pending.set(id, resolve);
      this.#child.send({ ...ask, id }, (error) => {
        if (error !== null) resolve({ id, error: error.message });
      });
    });
    if ('error' in answer) throw new Error(`in the other process: ${answer.error}`);
    return answer.value;
  }
}
