import type { AnyLockError } from '../errors.js';

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

/** One thing that an operator should know of a server, found by looking at it: nothing is changed for it. */
export interface Finding {
  /** Which server, or which of several, without secrets. */
  readonly server: string;
  /** What was looked at, such as `maxmemory-policy`. */
  readonly about: string;
  /** `wrong`: locks suffer by it. `unseen`: the server did not let us look. */
  readonly status: 'ok' | 'wrong' | 'unseen';
  /** What was found, for people. */
  readonly found: string;
  /** What to set, and why; only where something is wrong or was not seen. */
  readonly advice?: string;
}
