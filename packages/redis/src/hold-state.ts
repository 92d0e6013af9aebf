import type { HolderState, LockKind, LockState } from '@holdfast/core';
import { ForeignKeyError } from './redis-error.js';

const MODES: Readonly<Record<string, HolderState['mode']>> = { x: 'exclusive', w: 'write', r: 'read', p: 'permits' };

/** Reads the reply of inspect.lua. The server's clock has been applied; nothing in it names an owner token. */
export function readState(reply: unknown, name: string, kind: LockKind): LockState {
  const [count, ...fields] = reply as readonly (number | string)[];
  const waiters = Number(count);
  if (waiters < 0) throw new ForeignKeyError(name);
  const holders: HolderState[] = [];
  for (let i = 0; i + 2 < fields.length; i += 3) {
    const remaining = Number(fields[i + 2]);
    holders.push(readHolder(MODES[String(fields[i])] ?? 'exclusive', String(fields[i + 1]), remaining < 0 ? null : remaining));
  }
  return { name, kind, held: holders.length > 0, holders, waiters };
}

function readHolder(mode: HolderState['mode'], entry: string, remainingMs: number | null): HolderState {
  // Another library's lock on the same key: its value may be its owner's secret, so it is not shown.
  if (entry === '') return { label: null, mode, permits: 1, remainingMs, fencingToken: null };
  const isSet = mode === 'read' || mode === 'permits';
  const [, fence = '0', permits = '1', label = ''] = /^(\d+):(?:(\d+):)?([^]*)$/.exec(isSet ? entry : entry.replace(':', ':1:')) ?? [];
  return { label, mode, permits: Number(permits), remainingMs, fencingToken: mode === 'permits' ? null : BigInt(fence) };
}
