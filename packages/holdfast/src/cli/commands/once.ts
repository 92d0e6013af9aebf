import process from 'node:process';
import { isLockError, type MarkOutcome } from '@holdfast/core';
import { type CalendarPeriod, type CalendarWindow, createJobLockManager } from '@holdfast/jobs';
import { usageError } from '../cli-error.js';
import { exitCodes } from '../exit-codes.js';
import type { Ending } from '../guarded/command-group.js';
import { codeOf, describeEnding } from '../guarded/run-guarded.js';
import type { Output } from '../output.js';
import { resolveStore, withManager } from '../open-store.js';
import { printable, quoted } from '../printable.js';
import { showDuration } from '../duration.js';
import { type CommandOptions, withCommandSession } from './command-session.js';

export interface OnceOptions extends CommandOptions {
  readonly window?: number | CalendarPeriod;
  readonly timeZone?: string;
  readonly retryAfter?: number;
  readonly atMostOnce?: boolean;
  readonly skipCode: number;
  readonly status?: boolean;
  readonly reset?: boolean;
}

/** `holdfast once`: a command once a window, over all servers; or a look at whether it is due. Answers the exit code. */
export async function once(name: string, argv: readonly string[], options: OnceOptions, output: Output): Promise<number> {
  const window = windowOf(options);
  if (options.status || options.reset) {
    if (options.status && options.reset) throw usageError('--status and --reset are two questions; ask one');
    if (argv.length > 0) throw usageError(`--${options.status ? 'status' : 'reset'} runs nothing; leave the command out`);
    return await (options.status ? status : reset)(name, window, options, output);
  }
  if (options.window === undefined) throw usageError("required option '--window <time>' not specified; see holdfast once --help");
  if (argv.length === 0) throw usageError("missing required argument 'command': holdfast once <name> [options] -- <command> [arguments]");
  const { retryAfter: lockAtLeastMs, atMostOnce = false } = options;
  const windowMs = typeof options.window === 'number' ? options.window : undefined;
  if (windowMs !== undefined && (lockAtLeastMs ?? 0) > windowMs) throw usageError('--retry-after must not be longer than --window');
  return await withCommandSession(argv, options, output, async (session) => {
    const onMarkFailed = (error: unknown): void => output.tell(`--retry-after could not be noted: ${output.scrub(String(error))}`, 'red');
    const jobs = createJobLockManager(session.manager, { onMarkFailed });
    const guarantee = atMostOnce ? 'at-most-once' : 'at-least-once';
    try {
      const result = await jobs.runOnce(name, { ...session.lease, windowMs, window, lockAtLeastMs, guarantee }, async (lease) => {
        const ending = await session.runCommand(lease).catch(async (error: unknown) => {
          // It has not begun, so it has not used up the window.
          if (atMostOnce && session.ending === undefined) await jobs.forget({ run: name, window }).catch(() => {});
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

/** A period of a calendar, where `--window` names one. */
function windowOf({ window, timeZone }: OnceOptions): CalendarWindow | undefined {
  if (typeof window !== 'string') {
    if (timeZone !== undefined) throw usageError('--time-zone goes with --window hour, day, week or month');
    return undefined;
  }
  if (timeZone === undefined) throw usageError(`--window ${window} needs --time-zone, such as Europe/Berlin`);
  return { period: window, timeZone };
}

async function status(name: string, window: CalendarWindow | undefined, options: OnceOptions, output: Output): Promise<number> {
  const config = await resolveStore(options, output);
  return await withManager(config, async (manager) => {
    const { held, holders } = await manager.inspect(`once/${name}`);
    const mark = await createJobLockManager(manager).markOf({ run: name, window });
    const who = (label: string | null | undefined): string => (label === null || label === undefined ? '' : ` by ${printable(label)}`);
    if (held) {
      output.print(`${printable(name)} runs now${who(holders[0]?.label)}`);
      return exitCodes.busy;
    }
    if (mark === null) {
      output.print(`${printable(name)} is due`);
      return exitCodes.ok;
    }
    const { outcome, ageMs, remainingMs, label } = mark;
    // The mark of a period is kept beyond its end; that of a failed run is as long as the pause after it.
    const isForPeriod = window !== undefined && outcome !== 'failed';
    const when = isForPeriod ? `until the next ${window.period} in ${window.timeZone}` : `for another ${showDuration(remainingMs)}`;
    output.print(`${printable(name)} is not due ${when}: it ${TELLS[outcome]} ${showDuration(ageMs)} ago${who(label)}`);
    return exitCodes.no;
  });
}

const TELLS: Readonly<Record<MarkOutcome, string>> = { succeeded: 'ran', failed: 'failed', started: 'was started' };

async function reset(name: string, window: CalendarWindow | undefined, options: OnceOptions, output: Output): Promise<number> {
  const config = await resolveStore(options, output);
  const stood = await withManager(config, (manager) => createJobLockManager(manager).forget({ run: name, window }));
  output.print(stood ? `${printable(name)} is due again` : `${printable(name)} was due already`);
  return stood ? exitCodes.ok : exitCodes.no;
}

/** Leaves no mark behind, so that the window is still open. */
class CommandFailed extends Error {
  readonly ending: Ending;

  constructor(ending: Ending) {
    super(`the command ${describeEnding(ending)}`);
    this.ending = ending;
  }
}
