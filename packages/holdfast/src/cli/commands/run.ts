import { type HolderState, isLockError, type LockTimeoutError } from '@holdfast/core';
import { showDuration } from '../duration.js';
import { exitCodes } from '../exit-codes.js';
import { codeOf } from '../guarded/run-guarded.js';
import type { Output } from '../output.js';
import { printable, quoted } from '../printable.js';
import { type CommandOptions, withCommandSession } from './command-session.js';

export interface RunOptions extends CommandOptions {
  readonly wait: number;
  readonly busyOk?: boolean;
}

/** `holdfast run`: a command under a lock. Answers the exit code. */
export async function run(name: string, argv: readonly string[], options: RunOptions, output: Output): Promise<number> {
  try {
    return await withCommandSession(argv, options, output, async ({ manager, lease, runCommand }) =>
      codeOf(await manager.withLock(name, { ...lease, waitMs: options.wait }, runCommand)),
    );
  } catch (error) {
    if (!isLockError(error, 'LOCK_TIMEOUT')) throw error;
    if (options.busyOk === true) return exitCodes.ok;
    output.tell(describeBusy(name, error));
    return exitCodes.busy;
  }
}

function describeBusy(name: string, { holders, waitedMs }: LockTimeoutError): string {
  const waited = waitedMs >= 1000 ? ` after ${showDuration(waitedMs)}` : '';
  const [holder] = holders;
  return `${quoted(name)} is busy${waited}${holder === undefined ? '' : `: ${describeHolder(holder)}`}`;
}

function describeHolder({ label, remainingMs }: HolderState): string {
  const left = remainingMs === null ? '' : ` (unless renewed, for ${showDuration(remainingMs)} more)`;
  return `${label === null ? 'somebody' : printable(label)} has it${left}`;
}
