import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type AnyLockError, type HolderState, isLockError, type LockLostError, type LockTimeoutError } from '@holdfast/core';
import { showDuration } from '../duration.js';
import { exitCodes } from '../exit-codes.js';
import { codeOf, describeEnding, runGuarded } from '../guarded/run-guarded.js';
import type { Ending } from '../guarded/command-group.js';
import { SignalRelay } from '../guarded/signal-relay.js';
import { resolveStore, type StoreOptions, withManager } from '../open-store.js';
import type { Output } from '../output.js';
import { printable, quoted } from '../printable.js';
import { warnOfMemory } from '../warn-of-memory.js';

/** What `run` and `once` have in common. */
export interface CommandOptions extends StoreOptions {
  readonly ttl?: number;
  readonly maxHold?: number;
  readonly label?: string;
  readonly grace: number;
  readonly foreground?: boolean;
}

export interface RunOptions extends CommandOptions {
  readonly wait: number;
  readonly busyOk?: boolean;
}

/** `holdfast run`: a command under a lock. Answers the exit code. */
export async function run(name: string, argv: readonly string[], options: RunOptions, output: Output): Promise<number> {
  const config = await resolveStore(options, output);
  warnOfMemory(config, output);
  const { wait: waitMs, ttl: ttlMs, maxHold: maxHoldMs, label, grace: graceMs, foreground = false } = options;
  const relay = new SignalRelay();
  const stopListening = tellFailedRelease(output);
  try {
    return await withManager(config, async (manager) => {
      const lease = { waitMs, ttlMs, maxHoldMs, label, signal: relay.interrupted };
      const ending = await manager.withLock(name, lease, (held) => runGuarded(held, { name, argv, graceMs, foreground }, relay, output));
      return codeOf(ending);
    });
  } catch (error) {
    if (isLockError(error, 'LOCK_TIMEOUT')) {
      if (options.busyOk) return exitCodes.ok;
      output.tell(describeBusy(name, error));
      return exitCodes.busy;
    }
    if (isLockError(error, 'LOCK_LOST')) {
      output.tell(describeLoss(error), 'red');
      return exitCodes.lost;
    }
    throw error;
  } finally {
    stopListening();
    relay.close();
  }
}

/** A command that is over must not be reported as failed because its lock could not be freed; somebody may wonder who has it, though. */
export function tellFailedRelease(output: Output): () => void {
  const listener = (event: unknown): void => {
    const { name, error } = event as { readonly name: string; readonly error: AnyLockError };
    output.tell(output.scrub(`the lock ${quoted(name)} could not be freed and ends by itself: ${error.message}`));
  };
  subscribe('holdfast:release-failed', listener);
  return () => unsubscribe('holdfast:release-failed', listener);
}

/** How the command ended that went on, or was ended, after its lock was lost. */
export function describeLoss(error: LockLostError): string {
  const { outcome } = error;
  const ending = outcome?.status === 'fulfilled' ? `; the command ${describeEnding(outcome.value as Ending)}` : '';
  return `${error.message}${ending}`;
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
