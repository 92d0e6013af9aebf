import type { HolderState, LockKind, LockManager, LockState } from '@holdfast/core';
import { showDuration } from '../duration.js';
import { looksLikeLease } from '../lease-text.js';
import { resolveStore, type StoreOptions, withManager } from '../open-store.js';
import type { Output } from '../output.js';
import { printable, quoted } from '../printable.js';
import { table } from '../table.js';
import { usageError } from '../cli-error.js';
import { exitCodes } from '../exit-codes.js';
import { warnOfMemory } from '../warn-of-memory.js';
import { listMarks } from './mark-list.js';

export interface InspectOptions extends StoreOptions {
  readonly json?: boolean;
  readonly kind: LockKind;
}

export interface ListOptions extends StoreOptions {
  readonly json?: boolean;
  readonly marks?: boolean;
}

export interface ReleaseOptions extends InspectOptions {
  readonly force?: boolean;
}

const KINDS: readonly string[] = ['lock', 'semaphore', 'read-write'] satisfies LockKind[];
export const kinds = KINDS;

/** `holdfast ls`: what is held, and by whom. */
export async function list(prefix: string | undefined, options: ListOptions, output: Output): Promise<number> {
  const config = await resolveStore(options, output);
  warnOfMemory(config, output);
  if (options.marks) return await listMarks(prefix, config, options.json === true, output);
  const states = await withManager(config, async (manager) => {
    const found: LockState[] = [];
    for await (const state of manager.list({ prefix })) found.push(state);
    return found;
  });
  states.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0) || a.kind.localeCompare(b.kind));
  if (options.json) output.printJson(states);
  else if (states.length === 0)
    output.tell(prefix === undefined ? 'nothing is held' : `nothing is held whose name begins with ${quoted(prefix)}`);
  else printTable(states, output);
  return exitCodes.ok;
}

/** `holdfast inspect`: one name. */
export async function inspect(name: string, options: InspectOptions, output: Output): Promise<number> {
  const config = await resolveStore(options, output);
  const state = await withManager(config, (manager) => ofKind(manager, name, options.kind).inspect());
  if (options.json) output.printJson(state);
  else {
    const waiting = state.waiters === null || state.waiters === 0 ? '' : `, ${state.waiters} waiting`;
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

/** `holdfast force-release`: takes a lock away from whoever has it. */
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

/** The same two questions for the three kinds of things. */
function ofKind(manager: LockManager, name: string, kind: LockKind): { inspect(): Promise<LockState>; forceRelease(): Promise<boolean> } {
  switch (kind) {
    case 'lock':
      return { inspect: () => manager.inspect(name), forceRelease: () => manager.forceRelease(name) };
    case 'semaphore':
      // The number of permits does not matter to who only looks.
      return manager.semaphore(name, { permits: 1 });
    case 'read-write':
      return manager.readWriteLock(name);
    default:
      return kind satisfies never;
  }
}

function printTable(states: readonly LockState[], output: Output): void {
  const rows = states.flatMap((state) =>
    state.holders.map((holder) => [
      printable(state.name),
      state.kind,
      modeOf(holder),
      holder.label === null ? '-' : printable(holder.label),
      leftOf(holder),
      holder.fencingToken === null ? '-' : String(holder.fencingToken),
      state.waiters === null ? '-' : String(state.waiters),
    ]),
  );
  const [head = '', ...lines] = table([['NAME', 'KIND', 'MODE', 'HELD BY', 'LEFT', 'TOKEN', 'WAITING'], ...rows]);
  output.print([output.style('bold', head), ...lines].join('\n'));
}

function describe(holder: HolderState): readonly string[] {
  return table([
    ['  held by', holder.label === null ? 'unknown' : printable(holder.label)],
    ['  mode', modeOf(holder)],
    ['  left', holder.remainingMs === null ? 'until its session ends' : `${leftOf(holder)}, unless it is renewed`],
    ['  token', holder.fencingToken === null ? 'none' : String(holder.fencingToken)],
  ]);
}

function modeOf({ mode, permits }: HolderState): string {
  return mode === 'permits' ? `${permits} permit${permits === 1 ? '' : 's'}` : mode;
}

function leftOf({ remainingMs }: HolderState): string {
  return remainingMs === null ? '-' : showDuration(remainingMs);
}
