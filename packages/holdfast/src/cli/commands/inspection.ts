import type { HolderState, LockKind } from '@holdfast/core';
import { modeOfHolder } from '../../view/lock-row.js';
import { ofKind } from '../../view/of-kind.js';
import { showDuration } from '../duration.js';
import { looksLikeLease } from '../lease-text.js';
import { resolveStore, type StoreOptions, withManager } from '../open-store.js';
import type { Output } from '../output.js';
import { printable, quoted } from '../printable.js';
import { table } from '../table.js';
import { usageError } from '../cli-error.js';
import { exitCodes } from '../exit-codes.js';

export interface InspectOptions extends StoreOptions {
  readonly json?: boolean;
  readonly kind: LockKind;
}

export interface ReleaseOptions extends InspectOptions {
  readonly force?: boolean;
}

/** `holdfast inspect`: one name. */
export async function inspect(name: string, options: InspectOptions, output: Output): Promise<number> {
  const config = await resolveStore(options, output);
  const state = await withManager(config, (manager) => ofKind(manager, name, options.kind).inspect());
  if (options.json) output.printJson(state);
  else {
    const oldest = state.oldestWaitMs ?? null;
    const since = oldest === null ? '' : `, the oldest for ${showDuration(oldest)}`;
    const waiting = state.waiters === null || state.waiters === 0 ? '' : `, ${state.waiters} waiting${since}`;
    output.print(
      `${printable(state.name)} (${state.kind}): ${state.held ? output.style('yellow', 'held') : output.style('green', 'free')}${waiting}`,
    );
    for (const holder of state.holders) for (const line of describe(holder)) output.print(line);
  }
  return exitCodes.ok;
}

/** `holdfast release --force`: the same under its older name. */
export async function release(name: string, options: ReleaseOptions, output: Output): Promise<number> {
  if (!options.force && looksLikeLease(name)) throw usageError('this is a lease; holdfast free gives back what holdfast acquire took');
  if (!options.force) {
    throw usageError(`release takes ${quoted(name)} away from its holder, who may be at work; say --force if that is what you want`);
  }
  return await forceRelease(name, options, output);
}

/** `holdfast force-release`: takes a lock away from its holder. */
export async function forceRelease(name: string, options: InspectOptions, output: Output): Promise<number> {
  if (looksLikeLease(name)) throw usageError('this is a lease and no name; holdfast free gives back what holdfast acquire took');
  const config = await resolveStore(options, output);
  const freed = await withManager(config, (manager) => ofKind(manager, name, options.kind).forceRelease());
  if (options.json) output.printJson({ name, kind: options.kind, freed });
  else
    output.print(
      freed ? `${printable(name)} is free now; its holder learns of it by its next renewal` : `${printable(name)} was free already`,
    );
  return exitCodes.ok;
}

function describe(holder: HolderState): readonly string[] {
  return table([
    ['  held by', holder.label === null ? 'unknown' : printable(holder.label)],
    ['  mode', modeOfHolder(holder)],
    ...(typeof holder.heldMs === 'number' ? [['  held for', showDuration(holder.heldMs)]] : []),
    ['  left', holder.remainingMs === null ? 'until its session ends' : `${showDuration(holder.remainingMs)}, unless it is renewed`],
    ['  token', holder.fencingToken === null ? 'none' : String(holder.fencingToken)],
  ]);
}
