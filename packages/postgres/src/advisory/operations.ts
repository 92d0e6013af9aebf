import type { Answer, HoldRef, HoldRequest } from '@holdfast/core';
import type { NameKeys } from './lock-keys.js';

/** A request that waits for its turn in a session, or is under way. */
export interface AttemptOperation {
  readonly request: HoldRequest;
  readonly keys: NameKeys;
  readonly signal: AbortSignal;
  /** Monotonic time after which nobody waits for the answer. */
  readonly deadline: number;
  /** How often it was asked again at once. */
  tries: number;
  /** Slots that were seen to be taken, by everybody who looked because there are too many to try them all. */
  taken: ReadonlySet<number>;
  readonly resolve: (answer: Answer<bigint>) => void;
  readonly reject: (error: unknown) => void;
}

/** A release that waits for its turn. */
export interface ReleaseOperation {
  readonly ref: HoldRef;
  readonly resolve: (freed: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/** A heartbeat, or another statement, that waits for its turn. */
export interface OtherOperation {
  readonly run: () => Promise<void>;
  readonly reject: (error: unknown) => void;
}

export const BUSY_ANSWER: Answer<bigint> = { granted: false, remainingMs: null };
