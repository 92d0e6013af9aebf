import process from 'node:process';
import { type HolderState, type LockKind, type LockManager, type LockState, LockUnsupportedError } from '@holdfast/core';
import { modeOfHolder, rowOf } from '../../view/lock-row.js';
import { REST_FACTOR } from '../../view/lock-watch.js';
import { compareBy, isWanted, plainView, type SortKey, type View } from '../../view/order.js';
import { usageError } from '../cli-error.js';
import { showDuration } from '../duration.js';
import { exitCodes } from '../exit-codes.js';
import { resolveStore, type StoreOptions, withManager } from '../open-store.js';
import type { Output } from '../output.js';
import { printable, quoted } from '../printable.js';
import { table } from '../table.js';
import { warnOfMemory } from '../warn-of-memory.js';
import { listMarks } from './mark-list.js';

export interface ListOptions extends StoreOptions {
  readonly json?: boolean;
  readonly marks?: boolean;
  readonly kind?: LockKind;
  readonly sort: SortKey;
  readonly reverse?: boolean;
  /** Milliseconds between two looks. */
  readonly watch?: number;
}

const HEAD = ['NAME', 'KIND', 'MODE', 'HELD BY', 'HELD', 'LEFT', 'TOKEN', 'WAITING', 'OLDEST'];
/** The cursor to the corner, and all below it away. */
const CLEAR = '\u001b[H\u001b[J';

/** `holdfast ls`: what is held, and by whom. */
export async function list(prefix: string | undefined, options: ListOptions, output: Output): Promise<number> {
  const { marks = false, watch, json = false, kind = null, sort, reverse: isReversed = false } = options;
  if (marks && watch !== undefined) throw usageError('--marks and --watch do not go together');
  const config = await resolveStore(options, output);
  warnOfMemory(config, output);
  if (marks) return await listMarks(prefix, config, json, output);
  const view: View = { ...plainView, kind, sort, isReversed };
  await withManager(config, async (manager) => {
    const { capabilities, backend } = manager;
    if (!capabilities.list) {
      const message = `${backend} cannot list what is held; holdfast inspect <name> shows one lock, holdfast top --name <name...> several`;
      throw new LockUnsupportedError(message, { backend, capability: 'list' });
    }
    for (;;) {
      const began = performance.now();
      // oxlint-disable-next-line no-await-in-loop
      const states = await held(manager, prefix, view);
      const pauseMs = (performance.now() - began) * REST_FACTOR;
      if (watch === undefined) {
        show(states, prefix, json, output);
        return;
      }
      showOnceMore(states, prefix, json, output);
      // Somebody who looked at the first lines only has gone.
      if (!process.stdout.writable) return;
      // oxlint-disable-next-line no-await-in-loop
      await new Promise((resolve) => setTimeout(resolve, Math.max(watch, pauseMs)));
    }
  });
  return exitCodes.ok;
}

async function held(manager: LockManager, prefix: string | undefined, view: View): Promise<readonly LockState[]> {
  const found: { readonly state: LockState; readonly row: ReturnType<typeof rowOf> }[] = [];
  for await (const state of manager.list({ prefix })) {
    const row = rowOf(state);
    if (isWanted(row, view)) found.push({ state, row });
  }
  const compare = compareBy(view);
  return found.sort((a, b) => compare(a.row, b.row)).map(({ state }) => state);
}

function show(states: readonly LockState[], prefix: string | undefined, isJson: boolean, output: Output): void {
  if (isJson) output.printJson(states);
  else if (states.length === 0) output.tell(nothing(prefix));
  else output.print(tableOf(states, output));
}

/** At a terminal in the place of what stood there; into a pipe below it: JSON a line each, tables with an empty line between. */
function showOnceMore(states: readonly LockState[], prefix: string | undefined, isJson: boolean, output: Output): void {
  if (isJson) output.printJsonLine(states);
  else output.print((process.stdout.isTTY ? CLEAR : '') + (states.length === 0 ? nothing(prefix) : tableOf(states, output)) + '\n');
}

function nothing(prefix: string | undefined): string {
  return prefix === undefined ? 'nothing is held' : `nothing is held whose name begins with ${quoted(prefix)}`;
}

function tableOf(states: readonly LockState[], output: Output): string {
  const rows = states.flatMap((state) => state.holders.map((holder) => cellsOf(state, holder)));
  const [head = '', ...lines] = table([HEAD, ...rows]);
  return [output.style('bold', head), ...lines].join('\n');
}

function cellsOf({ name, kind, waiters, oldestWaitMs = null }: LockState, holder: HolderState): readonly string[] {
  const { label, heldMs = null, remainingMs, fencingToken } = holder;
  return [
    printable(name),
    kind,
    modeOfHolder(holder),
    label === null ? '-' : printable(label),
    time(heldMs),
    time(remainingMs),
    fencingToken === null ? '-' : String(fencingToken),
    waiters === null ? '-' : String(waiters),
    time(oldestWaitMs),
  ];
}

function time(ms: number | null): string {
  return ms === null ? '-' : showDuration(ms);
}
