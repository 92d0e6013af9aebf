import type { FencingToken } from './fencing-token.js';

/** Lock x, semaphore x and read/write x are separate things. */
export type LockKind = 'lock' | 'semaphore' | 'read-write';

/** What `inspect` and `list` report of one name: a snapshot, out of date as soon as it is read. */
export interface LockState {
  /** The name that was asked about. */
  readonly name: string;
  /** Of which kind it is: lock x, semaphore x and read/write lock x are separate. */
  readonly kind: LockKind;
  /** Whether anybody holds it, or permits of it. */
  readonly held: boolean;
  /** Who holds it; empty when nobody does. */
  readonly holders: readonly HolderState[];
  /**
   * How many wait, as far as the store can tell, and a second behind at most; null where it cannot. Those of a process that was killed are
   * counted for longer: 1.5 s at most on Redis, 2.7 s on Redlock and in PostgreSQL's `table`, on ZooKeeper until the session of that process is
   * over (`sessionTimeoutMs`). PostgreSQL's advisory locks and memory count them no longer.
   */
  readonly waiters: number | null;
  /**
   * For how long the one that has waited the longest has waited, in milliseconds and a second behind at most; null when nobody waits, and
   * where the store cannot tell. A manager always gives it; a backend that cannot tell leaves it out.
   */
  readonly oldestWaitMs?: number | null;
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
  /**
   * For how long it has held, in milliseconds; null where the store cannot tell. By the store's clock; on Redlock by the clock of the holder's
   * client, which each node corrects to within an eighth of `maxTtlMs` of its own, on PostgreSQL's advisory locks by the holder's. On ZooKeeper the time
   * that it had waited is in it for the first second. A manager always gives it; a backend that cannot tell leaves it out.
   */
  readonly heldMs?: number | null;
  /**
   * The W3C `traceparent` of the trace in which it was taken, where the holder's process keeps it (see `AcquireTrace.annotation`); else
   * null. A manager always gives it, from what stands behind the label; a backend leaves it out.
   */
  readonly traceparent?: string | null;
}
