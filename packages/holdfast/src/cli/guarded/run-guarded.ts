import process from 'node:process';
import { createHash } from 'node:crypto';
import { type FencingToken, type Hold, isLockError, MAX_NAME_BYTES } from '@holdfast/core';
import { showDuration } from '../duration.js';
import { codeOfSignal } from '../exit-codes.js';
import { heldVariable } from '../nested.js';
import type { StoreOptions } from '../open-store.js';
import type { Output } from '../output.js';
import { quoted } from '../printable.js';
import { kindWanted, type WantedOptions } from '../wanted.js';
import { CommandGroup, type Ending } from './command-group.js';
import { startOrphanGuard } from './orphan-guard.js';
import { startSessionGuard } from './session-guard.js';
import type { SignalRelay } from './signal-relay.js';

/** A command that is to run under a lease, and how. */
export interface GuardedCommand {
  /** The lock's name, for the command's environment and for messages. */
  readonly name: string;
  /** What is held of the name. */
  readonly wanted: WantedOptions;
  readonly argv: readonly string[];
  /** Between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  readonly foreground: boolean;
  /** The store, where its locks go with the connection: see session-guard.ts. */
  readonly sessionStore: StoreOptions | null;
}

/** What a command needs to know of its lease. */
export type CommandLease = Pick<Hold, 'signal' | 'isHeld'> & { readonly fencingToken: FencingToken };

/**
 * Runs a command for as long as the lease is held: it is ended when the lease is lost, and when this process is killed.
 *
 * @throws CliError 128 + n when an end was asked for before it began; 126 and 127 when it could not begin
 */
export async function runGuarded(lease: CommandLease, command: GuardedCommand, relay: SignalRelay, output: Output): Promise<Ending> {
  relay.interrupted.throwIfAborted();
  const { name, wanted, graceMs, foreground, sessionStore } = command;
  const guard =
    sessionStore === null || process.platform === 'win32'
      ? startOrphanGuard(graceMs)
      : await startSessionGuard(
          { store: sessionStore, name: guardName(name), wanted, graceMs },
          AbortSignal.any([relay.interrupted, lease.signal]),
        );
  try {
    const group = await CommandGroup.start(command.argv, {
      env: { ...environment(name, wanted, lease.fencingToken), ...guard.env },
      foreground,
    });
    guard.watch(group.target);

    let stopping: Promise<void> | undefined;
    const stop = (): void => {
      stopping ??= group.stop(graceMs);
    };
    const onLost = (): void => {
      output.tell(`${describeEnd(name, lease.signal.reason)}; ending the command`, 'red');
      stop();
    };
    let killer: NodeJS.Timeout | undefined;
    relay.attach({
      isForeground: foreground,
      signal: (signal) => group.signal(signal),
      insist() {
        output.tell(`asked twice to end: the command has another ${showDuration(graceMs)}; a third signal kills it at once`);
        killer = setTimeout(() => group.signal('SIGKILL'), graceMs);
      },
      suspend: () => group.signal('SIGSTOP'),
      resume() {
        // Without the lease nothing goes on: its loss is noticed in a moment, and ends the command where it stands.
        if (lease.isHeld) group.signal('SIGCONT');
      },
    });
    lease.signal.addEventListener('abort', onLost, { once: true });
    if (lease.signal.aborted) onLost();
    try {
      const ending = await group.ended;
      await stopping;
      return ending;
    } finally {
      clearTimeout(killer);
      lease.signal.removeEventListener('abort', onLost);
      relay.detach();
    }
  } finally {
    guard.dismiss();
  }
}

/** The second name, of a guard that is still ending a command whose first name is free: it fits wherever the first one does. */
function guardName(name: string): string {
  const whole = `guard/${name}`;
  return Buffer.byteLength(whole) <= MAX_NAME_BYTES ? whole : `guard/${createHash('sha256').update(name).digest('hex')}`;
}

/** The exit code that stands for an ending. */
export function codeOf({ code, signal }: Ending): number {
  return code ?? codeOfSignal(signal ?? 'SIGKILL');
}

/** `ended with 3`, for messages. */
export function describeEnding({ code, signal }: Ending): string {
  return signal === null ? `ended with ${code}` : `was ended by ${signal}`;
}

/** Ours, and what a command may want to hand to the resource. Those of an outer `holdfast run` must not stand for ours. */
function environment(name: string, wanted: WantedOptions, token: FencingToken): NodeJS.ProcessEnv {
  const { HOLDFAST_FENCING_TOKEN: _, ...env } = process.env;
  return {
    ...env,
    HOLDFAST_LOCK: name,
    ...heldVariable(kindWanted(wanted), name),
    ...(token !== null && { HOLDFAST_FENCING_TOKEN: String(token) }),
  };
}

/** Why the command must end: its lease is lost, or somebody has another reason. */
function describeEnd(name: string, reason: unknown): string {
  if (isLockError(reason, 'LOCK_LOST')) return `the lock ${quoted(name)} is lost (${reason.reason})`;
  return reason instanceof Error ? reason.message : `the lock ${quoted(name)} is lost`;
}
