import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type HolderState, isLockError, type LockEvent } from '@holdfast/core';
import { showDuration } from '../duration.js';
import { exitCodes } from '../exit-codes.js';
import { isNested } from '../nested.js';
import type { Output } from '../output.js';
import { printable, quoted } from '../printable.js';
import { kindWanted, type WantedOptions } from '../wanted.js';

/** How long to wait, and what busy means, for whatever takes a lock. */
export interface BusyOptions extends WantedOptions {
  readonly wait: number;
  readonly busyOk?: boolean;
  readonly busyCode?: number;
}

/** Takes the lock of a name. Tells of a lock that somebody else has. @returns the exit code @throws what is no such outcome */
export async function unlessBusy(name: string, options: BusyOptions, output: Output, take: () => Promise<number>): Promise<number> {
  const stopTelling = tellNestedWait(name, options, output);
  try {
    return await take();
  } catch (error) {
    return endBusy(name, error, options, output);
  } finally {
    stopTelling();
  }
}

function endBusy(name: string, error: unknown, options: BusyOptions, output: Output): number {
  if (!isLockError(error, 'LOCK_TIMEOUT')) throw error;
  if (options.busyOk === true) return exitCodes.ok;
  const waited = error.waitedMs >= 1000 ? ` after ${showDuration(error.waitedMs)}` : '';
  const [holder] = error.holders;
  const nested = isNested(kindWanted(options), name) ? `; ${NESTED}` : '';
  output.tell(`${quoted(name)} is busy${waited}${holder === undefined ? '' : `: ${describeHolder(holder)}`}${nested}`);
  return options.busyCode ?? exitCodes.busy;
}

const NESTED = 'this command runs under a lock of that name itself, and waits for itself if both mean the same store';

/** A wait for what the command around this one holds is reported as soon as the wait begins. @returns what ends the watch */
function tellNestedWait(name: string, options: WantedOptions, output: Output): () => void {
  const kind = kindWanted(options);
  if (!isNested(kind, name)) return () => {};
  const listener = (event: unknown): void => {
    const waiting = event as LockEvent;
    if (waiting.kind === kind && waiting.name === name) output.tell(`${quoted(name)} is busy; ${NESTED}`, 'yellow');
  };
  subscribe('holdfast:waiting', listener);
  return () => unsubscribe('holdfast:waiting', listener);
}

function describeHolder({ label, remainingMs }: HolderState): string {
  const left = remainingMs === null ? '' : ` (unless renewed, for ${showDuration(remainingMs)} more)`;
  return `${label === null ? 'somebody' : printable(label)} has it${left}`;
}
