import process from 'node:process';
import { isLockError } from '@holdfast/core';
import { createJobLockManager } from '@holdfast/jobs';
import { usageError } from '../cli-error.js';
import { exitCodes } from '../exit-codes.js';
import type { Ending } from '../guarded/command-group.js';
import { codeOf, describeEnding } from '../guarded/run-guarded.js';
import type { Output } from '../output.js';
import { quoted } from '../printable.js';
import { type CommandOptions, withCommandSession } from './command-session.js';

export interface OnceOptions extends CommandOptions {
  readonly window: number;
  readonly retryAfter?: number;
  readonly atMostOnce?: boolean;
  readonly skipCode: number;
}

/** `holdfast once`: a command once a window, over all servers. Answers the exit code. */
export async function once(name: string, argv: readonly string[], options: OnceOptions, output: Output): Promise<number> {
  const { window: windowMs, retryAfter: lockAtLeastMs, atMostOnce = false } = options;
  if ((lockAtLeastMs ?? 0) > windowMs) throw usageError('--retry-after must not be longer than --window');
  return await withCommandSession(argv, options, output, async (session) => {
    const onMarkFailed = (error: unknown): void => output.tell(`--retry-after could not be noted: ${output.scrub(String(error))}`, 'red');
    const jobs = createJobLockManager(session.manager, { onMarkFailed });
    const guarantee = atMostOnce ? 'at-most-once' : 'at-least-once';
    try {
      const result = await jobs.runOnce(name, { ...session.lease, windowMs, lockAtLeastMs, guarantee }, async (lease) => {
        const ending = await session.runCommand(lease).catch(async (error: unknown) => {
          // It has not begun, so it has not used up the window.
          if (atMostOnce && session.ending === undefined) await session.manager.marks?.delete(lease.name).catch(() => {});
          throw error;
        });
        // A command that was ended because of the loss has not failed by itself.
        lease.signal.throwIfAborted();
        if (ending.code !== 0) throw new CommandFailed(ending);
      });
      if (result.ran) return 0;
      // The rule and not the exception, so it is no news to those who read the mails of cron.
      if (process.stderr.isTTY)
        output.tell(`${quoted(name)} ${result.because === 'busy' ? 'runs elsewhere now' : 'has run in this window'}`);
      return options.skipCode;
    } catch (error) {
      if (error instanceof CommandFailed) return codeOf(error.ending);
      const { ending } = session;
      if (ending === undefined || !isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) throw error;
      const failure = output.scrub(error.message);
      output.tell(`the command ${describeEnding(ending)}; that it has run could not be noted, so it may run again: ${failure}`, 'red');
      return exitCodes.unnoted;
    }
  });
}

/** Leaves no mark behind, so that the window is still open. */
class CommandFailed extends Error {
  readonly ending: Ending;

  constructor(ending: Ending) {
    super(`the command ${describeEnding(ending)}`);
    this.ending = ending;
  }
}
