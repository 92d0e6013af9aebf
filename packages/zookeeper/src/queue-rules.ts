import type { HoldRequest } from '@holdfast/core';
import type { QueueEntry } from './node-names.js';

/** Where the numbers of a parent end: servers go on from the lowest number, or give this one to everybody. */
export const LAST_SEQUENCE = 2 ** 31 - 1;

/** Sorts by age. Numbers may have gone past 2^31: then the difference, cut to 32 bits, still has the correct sign. */
export function byAge(a: QueueEntry, b: QueueEntry): number {
  return (a.sequence - b.sequence) | 0;
}

/** Whether the entry has what it asks for, given all that are older; those are served first even if they would need more. */
export function isGranted(queue: readonly QueueEntry[], index: number): boolean {
  const entry = queue[index];
  return entry !== undefined && hasRoom(entry, queue.slice(0, index));
}

/** The same, given those that are older and have not left yet. */
export function hasRoom(entry: QueueEntry, older: Iterable<QueueEntry>): boolean {
  let taken = entry.permits;
  for (const { mode, permits } of older) {
    if (entry.mode === 'permits') taken += permits;
    else if (entry.mode !== 'read' || mode !== 'read') return false;
  }
  return entry.mode !== 'permits' || taken <= entry.limit;
}

/** All that have what they ask for. */
export function holdersOf(queue: readonly QueueEntry[]): readonly QueueEntry[] {
  return queue.filter((_, index) => isGranted(queue, index));
}

/** Another limit than the request's by which somebody holds permits; null when there is none. */
export function otherLimitOf(queue: readonly QueueEntry[], request: HoldRequest): number | null {
  if (request.mode !== 'permits' || queue.every(({ limit }) => limit === request.limit)) return null;
  return holdersOf(queue).find(({ limit }) => limit !== request.limit)?.limit ?? null;
}

const MOST_NEAR = 8;

/**
 * How many of those who wait for permits are near: they look at all requests instead of watching one. As many as may get theirs at a
 * time, and as many more who then know early that they are next. Each is woken by every release and every arrival, so there are few.
 */
function nearOf(limit: number): number {
  return Math.min(2 * limit, MOST_NEAR);
}

/** Those in front of the entry who have not the permits that they ask for. */
function waitersBefore(queue: readonly QueueEntry[], index: number): readonly QueueEntry[] {
  let taken = 0;
  return queue.slice(0, index).filter(({ permits, limit }) => {
    taken += permits;
    return taken > limit;
  });
}

/**
 * Whose end may let this entry in: one node to watch, so that a release wakes one waiter and not all. null says that it
 * is any of the holders: for those who wait for permits and are near. Who is far away watches the one that lets it come near when that one
 * gets its permits, some places ahead: so that the hand-over does not wait for a message from each to the next.
 */
export function blockerOf(queue: readonly QueueEntry[], index: number): QueueEntry | null {
  const older = queue.slice(0, index);
  const entry = queue[index];
  if (entry?.mode === 'read') return older.findLast(({ mode }) => mode !== 'read') ?? null;
  if (entry?.mode === 'permits') return waitersBefore(queue, index).at(-nearOf(entry.limit)) ?? null;
  return older.at(-1) ?? null;
}

/**
 * Those whose end alone lets the entry in, all of whom it watches then, and needs no further look at the queue: nobody ever comes in front of an
 * entry. null: others wait in front of it, or there are too many to watch each.
 */
export function lastInFront(queue: readonly QueueEntry[], index: number): readonly QueueEntry[] | null {
  const entry = queue[index];
  if (entry === undefined) return null;
  const older = queue.slice(0, index).filter(({ mode }) => entry.mode !== 'read' || mode !== 'read');
  if (entry.mode !== 'permits') return older.length === 1 ? older : null;
  return older.length <= MOST_NEAR && waitersBefore(queue, index).length === 0 ? older : null;
}

/** Whether somebody behind may have looked before this entry got its permits, and watches it to come near. */
export function isWatchedFromAfar(queue: readonly QueueEntry[], index: number): boolean {
  return queue.some(({ limit }, other) => other - index >= nearOf(limit));
}
