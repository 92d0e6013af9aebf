import type { LockKind } from '@holdfast/core';
import type { LockRow } from './lock-row.js';

/** By what rows can be sorted. */
export const sortKeys = ['name', 'kind', 'holder', 'held', 'left', 'token', 'waiting', 'oldest'] as const;
export type SortKey = (typeof sortKeys)[number];

/** What is wanted of all rows, in which order. */
export interface View {
  readonly sort: SortKey;
  /** The other way round than is usual for the key: names from the first, times and numbers from the largest. */
  readonly isReversed: boolean;
  /** Only rows whose name or holder has this text in it, whatever the case; '' for all. */
  readonly filter: string;
  /** Only rows of this kind. */
  readonly kind: LockKind | null;
}

export const plainView: View = Object.freeze({ sort: 'name', isReversed: false, filter: '', kind: null });

type Compare = (a: LockRow, b: LockRow) => number;

const values: Readonly<Record<SortKey, (row: LockRow) => string | number | bigint | null>> = {
  name: ({ name }) => name,
  kind: ({ kind }) => kind,
  holder: ({ label }) => label,
  held: ({ heldMs }) => heldMs,
  left: ({ remainingMs }) => remainingMs,
  token: ({ token }) => (token === null ? null : BigInt(token)),
  waiting: ({ waiters }) => waiters,
  oldest: ({ oldestWaitMs }) => oldestWaitMs,
};

/** Of these the largest comes first. */
const LARGEST_FIRST: readonly SortKey[] = ['held', 'token', 'waiting', 'oldest'];

/** Sorts rows, with what is not known at the end; those that are equal go by name and kind, so that a list stands still while nothing changes. */
export function compareBy({ sort, isReversed }: Pick<View, 'sort' | 'isReversed'>): Compare {
  const valueOf = values[sort];
  const sign = LARGEST_FIRST.includes(sort) === isReversed ? 1 : -1;
  return (a, b) => {
    const [first, second] = [valueOf(a), valueOf(b)];
    if (first === null || second === null) {
      if (first !== second) return first === null ? 1 : -1;
    } else if (first !== second) return first < second ? -sign : sign;
    return compareTexts(a.name, b.name) || compareTexts(a.kind, b.kind);
  };
}

/** Whether a row is wanted. */
export function isWanted(row: LockRow, { filter, kind }: Pick<View, 'filter' | 'kind'>): boolean {
  if (kind !== null && row.kind !== kind) return false;
  if (filter === '') return true;
  const wanted = filter.toLowerCase();
  return row.name.toLowerCase().includes(wanted) || row.label?.toLowerCase().includes(wanted) === true;
}

/** The rows that are wanted, in their order. */
export function arrange(rows: readonly LockRow[], view: View): readonly LockRow[] {
  return rows.filter((row) => isWanted(row, view)).sort(compareBy(view));
}

/** By code units, as names are compared everywhere. */
function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
