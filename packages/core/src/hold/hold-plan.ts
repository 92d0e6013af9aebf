import type { HoldRequest } from '../contract/backend.js';
import type { LockKind } from '../contract/state.js';

/** What is asked for, with all options resolved: the same for every attempt of one call. */
export interface HoldPlan {
  readonly kind: LockKind;
  readonly name: string;
  /** Tells the locks, semaphores and read/write locks of one manager apart. */
  readonly key: string;
  readonly mode: HoldRequest['mode'];
  /** 1 for everything but permits. */
  readonly permits: number;
  readonly limit: number;
  readonly label: string;
  /** The label as the store keeps it: with what a listener wants to be kept beside the label. */
  keptLabel: string;
  readonly ttlMs: number;
  /** What the store is given: the holder's belief and the guard. */
  readonly storeTtlMs: number;
  readonly renew: boolean;
  readonly maxHoldMs: number;
  /** Which call of its manager it is. */
  readonly requestNo: number;
  /** Whether the call was ever refused, or stood behind another; for events. */
  wasContended: boolean;
}

/** How long one `acquire` waits, and what ends it. */
export interface WaitLimits {
  readonly waitMs: number;
  readonly signal: AbortSignal | undefined;
  /** It is the rest of a longer wait, in which the store has answered: when the rest runs out, that is a timeout. @default false */
  readonly wasHeard?: boolean;
}

/** Whether a hold of this plan excludes every other of its key. */
export function isExclusive(plan: HoldPlan): boolean {
  return plan.mode === 'exclusive' || plan.mode === 'write';
}
