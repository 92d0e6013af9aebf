import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type AnyLockError, isLockError, type LeaseOptions, type LockManager, type LockLostError } from '@holdfast/core';
import { exitCodes } from '../exit-codes.js';
import type { Ending } from '../guarded/command-group.js';
import { type CommandLease, describeEnding, runGuarded } from '../guarded/run-guarded.js';
import { SignalRelay } from '../guarded/signal-relay.js';
import { narrate } from '../narrator.js';
import { resolveStore, type StoreOptions, withManager } from '../open-store.js';
import type { Output } from '../output.js';
import { quoted } from '../printable.js';
import { warnOfMemory } from '../warn-of-memory.js';
import { type WantedOptions, wantedOnly } from '../wanted.js';

/** The options that `run`, `once` and `lead` have in common. */
export interface CommandOptions extends StoreOptions, WantedOptions {
  readonly ttl?: number;
  readonly maxHold?: number;
  readonly label?: string;
  readonly grace: number;
  readonly foreground?: boolean;
  readonly verbose?: boolean;
}

/** What a command is run with. */
export interface CommandSession {
  readonly manager: LockManager;
  /** For whatever takes the lock. */
  readonly lease: LeaseOptions;
  /** Runs the command under the lock that was taken. */
  readonly runCommand: (lease: CommandLease & { readonly name: string }) => Promise<Ending>;
  /** Aborts when an end was asked for while no command was running. */
  readonly interrupted: AbortSignal;
  /** Whether an end was asked for, before the command or while it ran. */
  readonly isAskedToEnd: boolean;
  /** How the command ended; undefined while it has not. */
  readonly ending: Ending | undefined;
}

/** Connects, passes signals on, and tells of a loss, around the work of `run`, `once` and `lead`. Answers the exit code. */
export async function withCommandSession(
  argv: readonly string[],
  options: CommandOptions,
  output: Output,
  work: (session: CommandSession) => Promise<number>,
): Promise<number> {
  const config = await resolveStore(options, output);
  warnOfMemory(config, output);
  const { ttl: ttlMs, maxHold: maxHoldMs, label, grace: graceMs, foreground = false } = options;
  const relay = new SignalRelay();
  const stopListening = tellFailedRelease(output);
  const stopNarrating = options.verbose ? narrate(output) : () => {};
  let ending: Ending | undefined;
  try {
    return await withManager(config, (manager) =>
      work({
        manager,
        lease: { ttlMs, maxHoldMs, label, signal: relay.interrupted },
        runCommand: async (lease) => {
          const { url, config: file } = options;
          const sessionStore =
            manager.capabilities.expiry === 'session'
              ? { ...(url !== undefined && { url }), ...(file !== undefined && { config: file }) }
              : null;
          ending = await runGuarded(
            lease,
            { name: lease.name, wanted: wantedOnly(options), argv: withoutDashes(argv), graceMs, foreground, sessionStore },
            relay,
            output,
          );
          return ending;
        },
        interrupted: relay.interrupted,
        get isAskedToEnd() {
          return relay.isAskedToEnd;
        },
        get ending() {
          return ending;
        },
      }),
    );
  } catch (error) {
    if (!isLockError(error, 'LOCK_LOST')) throw error;
    output.tell(describeLoss(error, ending), 'red');
    return exitCodes.lost;
  } finally {
    stopListening();
    stopNarrating();
    relay.close();
  }
}

/** A name that begins with a dash stands behind `--` itself, and the command then behind another. */
function withoutDashes(argv: readonly string[]): readonly string[] {
  return argv[0] === '--' ? argv.slice(1) : argv;
}

/** A command that is over has not failed because its lock could not be freed; somebody may wonder who has it, though. */
function tellFailedRelease(output: Output): () => void {
  const listener = (event: unknown): void => {
    const { name, error } = event as { readonly name: string; readonly error: AnyLockError };
    output.tell(`the lock ${quoted(name)} could not be freed and ends by itself: ${output.scrub(error.message)}`);
  };
  subscribe('holdfast:release-failed', listener);
  return () => unsubscribe('holdfast:release-failed', listener);
}

function describeLoss(error: LockLostError, ending: Ending | undefined): string {
  const message = error.reason === 'max-hold' ? `${quoted(error.lockName ?? '')} was lost: --max-hold is over` : error.message;
  return ending === undefined ? message : `${message}; the command ${describeEnding(ending)}`;
}
