import type { AnyLockError } from '../errors.js';

/** How one of several servers is, where a store is made of independent ones. */
export interface NodeHealth {
  /** Which one, without secrets. */
  readonly node: string;
  /** Whether it answered. */
  readonly up: boolean;
  /** For how long it still takes no part, in milliseconds; 0 when it takes part, null when it did not answer. */
  readonly quarantinedForMs: number | null;
  /** How far its clock is ahead of this one's, in milliseconds, give or take half a round trip; null when it did not answer. */
  readonly clockOffsetMs: number | null;
  /** What is wrong with it, for people; null when nothing is. */
  readonly problem: string | null;
}

/** What every answer of `checkHealth` says. */
interface HealthOfStore {
  /** The backend's name, such as `redis`. */
  readonly backend: string;
  /**
   * The package by which the backend reaches its store, such as `ioredis`; of a backend that has a choice, once the driver is loaded. Several
   * names, where clients of several drivers were passed in, stand in one text with commas.
   */
  readonly driver?: string;
  /** How long the check took, in milliseconds. */
  readonly latencyMs: number;
  /** How each server is, of a store that is made of several. */
  readonly nodes?: readonly NodeHealth[];
}

/** The answer of `checkHealth`, which never rejects. */
export type HealthReport =
  | (HealthOfStore & { readonly ok: true })
  | (HealthOfStore & {
      readonly ok: false;
      /** What failed. */
      readonly error: AnyLockError;
    });

/** One thing that an operator should know of a server, found by looking at it: nothing is changed for it. */
export interface Finding {
  /** Which server, or which of several, without secrets. */
  readonly server: string;
  /** What was looked at, such as `maxmemory-policy`. */
  readonly about: string;
  /** `wrong`: harmful for locks. `unseen`: the server did not let us look. */
  readonly status: 'ok' | 'wrong' | 'unseen';
  /** What was found, for people. */
  readonly found: string;
  /** What to set, and why; only where something is wrong or was not seen. */
  readonly advice?: string;
}
