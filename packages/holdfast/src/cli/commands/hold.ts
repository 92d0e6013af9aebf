import type { Lease } from '@holdfast/core';
import { setTimeout as sleep } from 'node:timers/promises';
import { exitCodes } from '../exit-codes.js';
import type { Output } from '../output.js';
import { printable, quoted } from '../printable.js';
import { takeable } from '../wanted.js';
import { type BusyOptions, unlessBusy } from './busy.js';
import { type CommandOptions, withCommandSession } from './command-session.js';

export interface HoldOptions extends Omit<CommandOptions, 'grace' | 'foreground' | 'maxHold'>, BusyOptions {
  /** In ms. */
  readonly for?: number;
  readonly json?: boolean;
}

/** `holdfast hold`: the lock alone, until a signal or for a time. Answers the exit code. */
export function hold(name: string, options: HoldOptions, output: Output): Promise<number> {
  return unlessBusy(name, options, output, () =>
    withCommandSession([], { ...options, grace: 0 }, output, async ({ manager, lease: leaseOptions, interrupted }) => {
      const lease = await takeable(manager, name, options).acquire({ ...leaseOptions, waitMs: options.wait });
      announce(lease, options, output);
      await ended(lease, options.for, interrupted);
      lease.assertHeld();
      // What the store says last counts: a hold that had gone kept nobody out.
      if (await lease.release().catch(() => true)) return exitCodes.ok;
      output.tell(`the lock ${quoted(name)} was lost before it was given back`, 'red');
      return exitCodes.lost;
    }),
  );
}

function announce({ name, kind, mode, fencingToken }: Lease, { json }: HoldOptions, output: Output): void {
  const token = fencingToken === null ? null : String(fencingToken);
  if (json) output.printJson({ name, kind, mode, fencingToken: token });
  else output.print(`${printable(name)} is held (${mode})${token === null ? '' : `, token ${token}`}`);
}

/** Resolves at the signal, after the time, or at the loss, whichever comes first. */
async function ended(lease: Lease, forMs = 2 ** 31 - 1, interrupted: AbortSignal): Promise<void> {
  const signal = AbortSignal.any([lease.signal, interrupted]);
  await sleep(forMs, undefined, { signal }).catch(() => {});
}
