import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { until } from '@holdfast/test/servers';

/** A running example: a script as its README says that it is run. */
export interface Example extends AsyncDisposable {
  /** What it printed so far, both streams. */
  readonly output: string;
  readonly exitCode: Promise<number | null>;
  /** Waits for its end. @throws Error with all that it printed when it has failed */
  succeeds(): Promise<void>;
  /** Waits until it has printed this, and answers the match. */
  prints(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>;
  kill(signal: NodeJS.Signals): void;
}

/** The URL for processes that share a busy machine with a test run: nobody means to see how long the first contact takes. */
export function patient(url: string): string {
  return `${url}?commandTimeoutMs=10000`;
}

/** Starts `examples/<path>`, compiled, with these variables. */
export function startExample(path: string, env: Readonly<Record<string, string | undefined>>, args: readonly string[] = []): Example {
  const script = fileURLToPath(new URL(`../dist/${path.replace(/\.ts$/, '.js')}`, import.meta.url));
  if (!existsSync(script)) throw new Error(`${script} is missing: build first (pnpm build)`);
  const child = spawn(process.execPath, [script, ...args], {
    env: { ...process.env, NODE_OPTIONS: undefined, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const exitCode = new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve));
  return {
    get output() {
      return output;
    },
    exitCode,
    async succeeds() {
      const code = await exitCode;
      if (code !== 0) throw new Error(`${path} ended with ${code} and printed\n${output}`);
    },
    async prints(pattern, timeoutMs = 20_000) {
      await until(`${pattern} in what it prints`, () => pattern.test(output) || child.exitCode !== null, { timeoutMs });
      const match = pattern.exec(output);
      if (match === null) throw new Error(`it ended with ${child.exitCode} and printed\n${output}`);
      return match;
    },
    kill: (signal) => void child.kill(signal),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exitCode;
    },
  };
}
