import type { HolderState, LockKind, LockState } from '@holdfast/core';
import { ForeignKeyError } from './redis-error.js';

const MODES: Readonly<Record<string, HolderState['mode']>> = { x: 'exclusive', w: 'write', r: 'read', p: 'permits' };

/** Reads the reply of inspect.lua. The server's clock has been applied; nothing in it names an owner token. */
export function readState(reply: unknown, name: string, kind: LockKind): LockState {
  const [count, oldest, ...fields] = reply as readonly (number | string)[];
  const waiters = Number(count);
  if (waiters < 0) throw new ForeignKeyError(name);
  const holders: HolderState[] = [];
  for (let i = 0; i + 3 < fields.length; i += 4) {
    const [mode, entry, left, held] = fields.slice(i, i + 4);
    holders.push(readHolder(MODES[String(mode)] ?? 'exclusive', String(entry), known(left), known(held)));
  }
  return { name, kind, held: holders.length > 0, holders, waiters, oldestWaitMs: known(oldest) };
}

/** -1 is nothing that the server can tell. */
function known(ms: number | string | undefined): number | null {
  const value = Number(ms ?? -1);
  return value < 0 ? null : value;
}

function readHolder(mode: HolderState['mode'], entry: string, remainingMs: number | null, heldMs: number | null): HolderState {
  // Another library's lock on the same key: its value may be its owner's secret, so it is not shown.
  if (entry === '') return { label: null, mode, permits: 1, remainingMs, fencingToken: null, heldMs: null };
  const isSet = mode === 'read' || mode === 'permits';
  const [, fence = '0', permits = '1', label = ''] =
    /^(\d+):(?:(\d+)(?:\/\d+)?:)?([^]*)$/.exec(isSet ? entry : entry.replace(':', ':1:')) ?? [];
  return { label, mode, permits: Number(permits), remainingMs, fencingToken: mode === 'permits' ? null : BigInt(fence), heldMs };
}
