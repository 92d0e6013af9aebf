import { type ChildProcessByStdio, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Library } from '../library.js';
import { peersFolder } from './installed-apart.js';

const classes = join(peersFolder, 'java/target');
/** Written by `pnpm bench:peers`, where Debian's packages and Java are there. */
const isBuilt = existsSync(join(classes, 'CuratorLocks.class'));

/** Curator's InterProcessMutex in a JVM of its own, asked through pipes, which cost it some 0.1 ms a pair; its own CPU time is not the client's here. */
export const curators: readonly Library[] = isBuilt
  ? [
      {
        id: 'curator',
        title: 'Curator 5.4, through a pipe',
        backend: 'zookeeper',
        role: 'peer',
        scenarios: ['uncontended', 'in-flight-64', 'local-contention', 'handover-8-processes'],
        async open(address) {
          const locks = await CuratorProcess.start(address.replace(/^zookeeper:\/\//, '').replace(/\/$/, ''));
          return {
            async acquire(name) {
              const id = await locks.take(`/holdfast-curator/${encodeURIComponent(name)}`);
              return { release: () => locks.free(id) };
            },
            close: () => locks.close(),
          };
        },
      },
    ]
  : [];

class CuratorProcess {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #waiting = new Map<string, { resolve(): void; reject(error: Error): void }>();
  #lastId = 0;

  private constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (line) => this.#hear(line));
    child.stdin.on('error', () => undefined);
    child.on('error', (error) => this.#fail(error));
    child.on('exit', () => this.#fail(new Error('the JVM of Curator has ended')));
  }

  static async start(servers: string): Promise<CuratorProcess> {
    const jars = execFileSync('find', [join(peersFolder, 'curator'), '/usr/share/java', '-maxdepth', '4', '-name', '*.jar'], {
      encoding: 'utf8',
    });
    const needed =
      /\/(?:curator-(?:client|framework|recipes)|guava|failureaccess|zookeeper|zookeeper-jute|slf4j-api|slf4j-nop|netty-\w+|metrics-core|snappy-java)\.jar$/;
    const classPath = [classes, ...jars.split('\n').filter((jar) => needed.test(jar))].join(':');
    const started = new CuratorProcess(spawn('java', ['-cp', classPath, 'CuratorLocks', servers], { stdio: ['pipe', 'pipe', 'ignore'] }));
    await started.#answerOf('start');
    return started;
  }

  async take(path: string): Promise<string> {
    const id = String(++this.#lastId);
    await this.#ask(`take ${id} ${path}`, id);
    return id;
  }

  free(id: string): Promise<void> {
    return this.#ask(`free ${id}`, id);
  }

  /** The end of its input ends it. */
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    this.#child.stdin.end();
    await exited;
  }

  #ask(line: string, id: string): Promise<void> {
    const answered = this.#answerOf(id);
    this.#child.stdin.write(`${line}\n`);
    return answered;
  }

  #answerOf(id: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
    });
  }

  #hear(line: string): void {
    const [outcome, id = '', ...why] = line.split(' ');
    const pending = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (outcome === 'done') pending?.resolve();
    else pending?.reject(new Error(why.join(' ')));
  }

  #fail(error: Error): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
