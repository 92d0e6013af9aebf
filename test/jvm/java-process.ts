import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

/** A program of ours on the JVM. It ends with this process at the latest: its standard input does. */
export class JavaProcess {
  readonly #child: ChildProcess;
  readonly #printed: Promise<string>;
  readonly #exited: Promise<unknown>;
  /** Resolves when it has printed something, which it does when it has started, or has ended. */
  readonly started: Promise<unknown>;

  /** @param options what its `main` takes, as key=value */
  constructor(classPath: string, mainClass: 'Worker' | 'HazelcastMember', options: Readonly<Record<string, string>>) {
    const given = Object.entries(options).map(([key, value]) => `${key}=${value}`);
    // Small and quick to start: what it does is little.
    const flags = ['-Xmx160m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', classPath];
    const child = spawn('java', [...flags, `holdfast.jvm.${mainClass}`, ...given], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    this.#printed = text(child.stderr);
    child.stdin.on('error', () => {});
    this.#exited = once(child, 'exit');
    this.started = Promise.race([once(child.stdout, 'data'), this.#exited]);
    child.stdout.resume();
  }

  /** Rejects when it ends by itself, with what it printed. */
  async failed(): Promise<never> {
    await this.#exited;
    throw new Error(`a process of the JVM ended by itself:\n${await this.#printed}`);
  }

  /** Lets it finish what it does. @throws Error with what it printed when it has ended otherwise */
  async stop(): Promise<void> {
    this.#child.stdin?.write('stop\n');
    await this.#exited;
    if (this.#child.exitCode !== 0) throw new Error(`a process of the JVM failed:\n${await this.#printed}`);
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    await this.#exited;
  }
}
