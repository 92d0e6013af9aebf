import { failureOf } from '../cli-error.js';
import type { Ending } from '../guarded/command-group.js';
import { codeOf } from '../guarded/run-guarded.js';
import type { Output } from '../output.js';
import { takeable } from '../wanted.js';
import { type BusyOptions, unlessBusy } from './busy.js';
import { type CommandOptions, withCommandSession } from './command-session.js';
import { RunReport } from './run-report.js';

export interface RunOptions extends CommandOptions, BusyOptions {
  readonly report?: string;
}

/** `holdfast run`: a command under a lock. Answers the exit code. */
export async function run(name: string, argv: readonly string[], options: RunOptions, output: Output): Promise<number> {
  const report = await RunReport.open(options.report, name, options);
  let ending: Ending | undefined;
  return await unlessBusy(name, options, output, async () => {
    try {
      const code = await withCommandSession(argv, options, output, async ({ manager, lease, runCommand }) => {
        report.asked();
        try {
          ending = await takeable(manager, name, options).withLock({ ...lease, waitMs: options.wait }, async (held) => {
            report.granted(held);
            ending = await runCommand(held);
            return ending;
          });
          report.ended();
          return codeOf(ending);
        } catch (error) {
          report.ended(error);
          throw error;
        }
      });
      return report.write(code, ending, undefined, output);
    } catch (error) {
      const failure = failureOf(error);
      report.write(failure.code === 'LOCK_TIMEOUT' ? busyCode(options, failure.exitCode) : failure.exitCode, ending, error, output);
      throw error;
    }
  });
}

function busyCode({ busyOk, busyCode: code }: BusyOptions, otherwise: number): number {
  return busyOk === true ? 0 : (code ?? otherwise);
}
