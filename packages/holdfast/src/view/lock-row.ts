import type { HolderState, LockKind, LockState } from '@holdfast/core';

/** One name as a table shows it: a line, no matter how many hold the name. Of several holders the first stands for them all. */
export interface LockRow {
  readonly name: string;
  readonly kind: LockKind;
  /** `exclusive`, `read`, `write`, or how many permits are taken. */
  readonly mode: string;
  /** Of the first holder; null where the store keeps none. */
  readonly label: string | null;
  readonly holders: number;
  /** Of the one that has held the longest; null where the store cannot tell. */
  readonly heldMs: number | null;
  /** Of the one that ends last; null where a hold ends with its session. */
  readonly remainingMs: number | null;
  /** As digits; null for permits, and where the store has none. */
  readonly token: string | null;
  readonly waiters: number | null;
  readonly oldestWaitMs: number | null;
}

export function rowOf({ name, kind, holders, waiters, oldestWaitMs = null }: LockState): LockRow {
  const [first] = holders;
  return {
    name,
    kind,
    mode: modeOf(kind, holders),
    label: first?.label ?? null,
    holders: holders.length,
    heldMs: largest(holders.map(({ heldMs = null }) => heldMs)),
    remainingMs: holders.some(({ remainingMs }) => remainingMs === null) ? null : largest(holders.map(({ remainingMs }) => remainingMs)),
    token: holders.length === 1 && typeof first?.fencingToken === 'bigint' ? String(first.fencingToken) : null,
    waiters,
    oldestWaitMs,
  };
}

/** What a row is called among others. */
export function keyOf({ name, kind }: Pick<LockRow, 'name' | 'kind'>): string {
  return `${kind} ${name}`;
}

/** How a hold is held, in a word or two. */
export function modeOfHolder({ mode, permits }: Pick<HolderState, 'mode' | 'permits'>): string {
  return mode === 'permits' ? permitsText(permits) : mode;
}

function modeOf(kind: LockKind, holders: readonly HolderState[]): string {
  const [first] = holders;
  if (first === undefined) return '-';
  return kind === 'semaphore' ? permitsText(holders.reduce((sum, { permits }) => sum + permits, 0)) : first.mode;
}

function permitsText(permits: number): string {
  return `${permits} permit${permits === 1 ? '' : 's'}`;
}

function largest(numbers: readonly (number | null)[]): number | null {
  const known = numbers.filter((number) => number !== null);
  return known.length === 0 ? null : known.reduce((a, b) => Math.max(a, b));
}
