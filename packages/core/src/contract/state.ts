import type { FencingToken } from './lease.js';

/** Lock x, semaphore x and read/write x are separate things. */
export type LockKind = 'lock' | 'semaphore' | 'read-write';

/** What `inspect` and `list` tell of one name: a snapshot, out of date as soon as it is read. */
export interface LockState {
  /** The name that was asked about. */
  readonly name: string;
  /** Of which kind it is: lock x, semaphore x and read/write lock x are separate. */
  readonly kind: LockKind;
  /** Whether anybody holds it, or permits of it. */
  readonly held: boolean;
  /** Who holds it; empty when nobody does. */
  readonly holders: readonly HolderState[];
  /** How many wait, as far as the store can tell; null where it cannot. */
  readonly waiters: number | null;
}

/** One holder, as the store sees it. */
export interface HolderState {
  /** Who it is, for people; null where another program's hold has none. */
  readonly label: string | null;
  /** How it is held: a lock is held exclusively, a read/write lock to read or to write, a semaphore by permits. */
  readonly mode: 'exclusive' | 'read' | 'write' | 'permits';
  /** How many permits; 1 for all but permits. */
  readonly permits: number;
  /** How long the hold still stands without a renewal, in milliseconds by the store's clock. null: the hold ends with its session, or never. */
  readonly remainingMs: number | null;
  /** The fencing token of the hold; null for permits, and where the store has none or cannot show it. */
  readonly fencingToken: FencingToken;
}
