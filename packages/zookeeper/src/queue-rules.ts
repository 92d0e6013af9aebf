import type { QueueEntry } from './node-names.js';

/** Where the numbers of a parent end: servers go on from the lowest number, or give this one to everybody. */
export const LAST_SEQUENCE = 2 ** 31 - 1;

/** Sorts by age. Numbers may have gone past 2^31: then the difference, cut to 32 bits, still has the right sign. */
export function byAge(a: QueueEntry, b: QueueEntry): number {
  return (a.sequence - b.sequence) | 0;
}

/** Whether the entry has what it asks for, given all that are older; those are served first even if they would need more. */
export function isGranted(queue: readonly QueueEntry[], index: number): boolean {
  const entry = queue[index];
  if (entry === undefined) return false;
  if (entry.mode === 'read') return !queue.slice(0, index).some(({ mode }) => mode !== 'read');
  if (entry.mode !== 'permits') return index === 0;
  let taken = entry.permits;
  for (const { permits } of queue.slice(0, index)) taken += permits;
  return taken <= entry.limit;
}

/** All that have what they ask for. */
export function holdersOf(queue: readonly QueueEntry[]): readonly QueueEntry[] {
  return queue.filter((_, index) => isGranted(queue, index));
}

/**
 * Whose end may let this entry in: one node to watch, so that a release wakes one waiter and not all. null says that it
 * is any of the holders: for the first that waits for permits.
 */
export function blockerOf(queue: readonly QueueEntry[], index: number): QueueEntry | null {
  const older = queue.slice(0, index);
  const mode = queue[index]?.mode;
  if (mode === 'read') return older.findLast((entry) => entry.mode !== 'read') ?? null;
  if (mode === 'permits' && isGranted(queue, index - 1)) return null;
  return older.at(-1) ?? null;
}
