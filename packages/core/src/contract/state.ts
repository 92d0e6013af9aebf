import type { FencingToken } from './fencing-token.js';

/** Lock x, semaphore x and read/write x are separate things. */
export type LockKind = 'lock' | 'semaphore' | 'read-write';

/** What `inspect` and `list` tell of one name: a snapshot, out of date as soon as it is read. */
export interface LockState {
  readonly name: string;
  readonly kind: LockKind;
  readonly held: boolean;
  readonly holders: readonly HolderState[];
  /** How many wait, as far as the store can tell; null where it cannot. */
  readonly waiters: number | null;
}

/** One holder, as the store sees it. */
export interface HolderState {
  /** Who it is, for people; null where another program's hold has none. */
  readonly label: string | null;
  readonly mode: 'exclusive' | 'read' | 'write' | 'permits';
  /** How many permits; 1 for all but permits. */
  readonly permits: number;
  /** What is left unless it is renewed, in milliseconds by the store's clock. null: the hold ends with its session, or never. */
  readonly remainingMs: number | null;
  readonly fencingToken: FencingToken;
}
