import { execFile } from 'node:child_process';
import { execPath } from 'node:process';
import { fileURLToPath } from 'node:url';

/** Runs the program of a simulator in a process of its own, as `pnpm simulate` does. */
export function runMain(main: URL, args: readonly string[]): Promise<{ readonly status: number | string; readonly output: string }> {
  return new Promise((resolve) => {
    execFile(execPath, [fileURLToPath(main), ...args], { maxBuffer: 2 ** 28 }, (error, stdout, stderr) => {
      resolve({ status: error?.code ?? 0, output: stdout + stderr });
    });
  });
}
