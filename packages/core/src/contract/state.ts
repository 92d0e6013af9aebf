import type { AnyLockError } from '../errors.js';
import type { FencingToken } from './lease.js';

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

/** How one of several servers is, where a store is made of independent ones. */
export interface NodeHealth {
  /** Which one, without secrets. */
  readonly node: string;
  /** Whether it answered. */
  readonly up: boolean;
  /** For how long it takes no part yet, in milliseconds; 0 when it does, null when it did not answer. */
  readonly quarantinedForMs: number | null;
  /** How far its clock is ahead of this one's, in milliseconds, give or take half a round trip; null when it did not answer. */
  readonly clockOffsetMs: number | null;
  /** What is wrong with it, for people; null when nothing is. */
  readonly problem: string | null;
}

/** The answer of `checkHealth`, which never rejects. `latencyMs`: how long it took. `nodes`: of a store that is made of several servers. */
export type HealthReport =
  | { readonly ok: true; readonly backend: string; readonly latencyMs: number; readonly nodes?: readonly NodeHealth[] }
  | {
      readonly ok: false;
      readonly backend: string;
      readonly latencyMs: number;
      readonly error: AnyLockError;
      readonly nodes?: readonly NodeHealth[];
    };
