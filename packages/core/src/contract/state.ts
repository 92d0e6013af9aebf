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
  /**
   * For how long the one that has waited the longest has waited, in milliseconds and a second behind at most; null where the store
   * cannot tell. A manager always gives it; a backend that cannot tell leaves it out.
   */
  readonly oldestWaitMs?: number | null;
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
  /**
   * For how long it has held, in milliseconds by the store's clock; null where the store cannot tell. A manager always gives it; a
   * backend that cannot tell leaves it out.
   */
  readonly heldMs?: number | null;
  /**
   * The W3C `traceparent` of the trace in which it was taken, where the holder's process keeps it (see `AcquireTrace.annotation`); else
   * null. A manager always gives it, from what stands behind the label; a backend leaves it out.
   */
  readonly traceparent?: string | null;
}
