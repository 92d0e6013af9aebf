import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

/** A process of the old release, on the JVM. It ends with this process at the latest: its standard input does. */
export class OldProcess {
  readonly #child: ChildProcess;
  readonly #printed: Promise<string>;
  readonly #exited: Promise<unknown>;

  /** @param options what its `main` takes, as key=value */
  constructor(classPath: string, options: Readonly<Record<string, string>>) {
    const given = Object.entries(options).map(([key, value]) => `${key}=${value}`);
    // Small and quick to start: what it does is little.
    const flags = ['-Xmx160m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC', '-cp', classPath];
    const child = spawn('java', [...flags, 'holdfast.jvm.Worker', ...given], { stdio: ['pipe', 'pipe', 'pipe'] });
    this.#child = child;
    this.#printed = text(child.stderr);
    child.stdout.resume();
    child.stdin.on('error', () => {});
    this.#exited = once(child, 'exit');
  }

  /** Lets its threads finish what they do. @throws Error with what it printed when it has ended otherwise */
  async stop(): Promise<void> {
    this.#child.stdin?.write('stop\n');
    await this.#exited;
    if (this.#child.exitCode !== 0) throw new Error(`a process of the old release failed:\n${await this.#printed}`);
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill('SIGKILL');
    await this.#exited;
  }
}
