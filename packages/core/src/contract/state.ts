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
  readonly label: string | null;
  readonly mode: 'exclusive' | 'read' | 'write' | 'permits';
  readonly permits: number;
  /** By the store's clock. null: the hold ends with its session, or never. */
  readonly remainingMs: number | null;
  readonly fencingToken: FencingToken;
}

/** The answer of `checkHealth`, which never rejects. */
export type HealthReport =
  | { readonly ok: true; readonly backend: string; readonly latencyMs: number }
  | { readonly ok: false; readonly backend: string; readonly latencyMs: number; readonly error: AnyLockError };
