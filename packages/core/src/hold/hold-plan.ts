import { annotate } from '../annotation.js';
import type { HoldRef, HoldRequest } from '../contract/backend.js';
import type { LockKind } from '../contract/state.js';

/** What is asked for, with all options resolved: the same for every attempt of one call. */
export interface HoldPlan {
  readonly kind: LockKind;
  readonly name: string;
  /** See `keyOf`. */
  readonly key: string;
  readonly mode: HoldRequest['mode'];
  /** 1 for everything but permits. */
  readonly permits: number;
  readonly limit: number;
  readonly label: string;
  readonly ttlMs: number;
  readonly renew: boolean;
  readonly maxHoldMs: number;
  /** Which call of its manager it is. */
  readonly requestNo: number;
  /** Whether the call was ever refused, or stood behind another; for events. */
  wasContended: boolean;
  /** What a listener wants to be kept beside the label. */
  annotation: string | null;
}

/** Tells the locks, semaphores and read/write locks of one manager apart. */
export function keyOf(kind: LockKind, name: string): string {
  return `${kind}:${name}`;
}

/** Whether a hold of this plan excludes every other of its key. */
export function isExclusive(plan: HoldPlan): boolean {
  return plan.mode === 'exclusive' || plan.mode === 'write';
}

/** The request to the store, told `storeTtlMs` (guard time included). */
export function requestOf(plan: HoldPlan, owner: string, storeTtlMs: number): HoldRequest {
  const { name } = plan;
  const label = annotate(plan.label, plan.annotation);
  return plan.mode === 'permits'
    ? { name, owner, label, ttlMs: storeTtlMs, mode: plan.mode, permits: plan.permits, limit: plan.limit }
    : { name, owner, label, ttlMs: storeTtlMs, mode: plan.mode };
}

/** What names the hold of this plan and owner to the store. */
export function refOf(plan: HoldPlan, owner: string): HoldRef {
  return { name: plan.name, owner, mode: plan.mode };
}
