import type { AnyLockError, LockErrorCode } from '../errors.js';
import type { NodeHealth } from './health.js';
import type { FencingToken, LostReason } from './lease.js';
import type { HolderState, LockKind } from './state.js';

interface EventBase {
  readonly backend: string;
  /** `LockManager.id` of the manager. */
  readonly managerId: string;
  /** Wall-clock milliseconds since the epoch. */
  readonly at: number;
}

interface HoldEventBase extends EventBase {
  /** The same from `waiting` to the end of one call's hold; unique in the process. Not the owner token. */
  readonly requestId: string;
  readonly kind: LockKind;
  readonly name: string;
  readonly label: string;
  readonly mode: HolderState['mode'];
  /** How many permits; 1 for all but permits. */
  readonly permits: number;
  /** Whether the request was refused, or stood behind another, before it was granted or gave up. */
  readonly contended: boolean;
}

interface StoreEventBase extends EventBase {
  /** It is of no single hold. */
  readonly kind: null;
  readonly name: null;
  readonly label: null;
}

/** A request to the store, by the member of `LockBackend` that was called. */
export type StoreOperation =
  | 'attempt'
  | 'wait'
  | 'renew'
  | 'release'
  | 'inspect'
  | 'list'
  | 'forceRelease'
  | 'checkHealth'
  | 'close'
  | 'marks.set'
  | 'marks.has'
  | 'marks.get'
  | 'marks.delete'
  | 'marks.list'
  | 'marks.setEach'
  | 'marks.hasEach';

/** What happens to one request for a hold, and to the hold. */
export type HoldLifeEvent =
  | (HoldEventBase & { readonly type: 'waiting' })
  | (HoldEventBase & { readonly type: 'granted'; readonly waitedMs: number; readonly fencingToken: FencingToken })
  | (HoldEventBase & {
      readonly type: 'not-granted';
      readonly waitedMs: number;
      readonly outcome: 'busy' | 'timeout' | 'aborted' | 'unavailable' | 'closed';
      readonly error?: unknown;
    })
  /** `remainingMs`: what was left of the deadline when the renewal was confirmed. Seldom close to 0 while all is well. */
  | (HoldEventBase & { readonly type: 'renewed'; readonly remainingMs: number; readonly ttlMs: number })
  | (HoldEventBase & { readonly type: 'renew-failed'; readonly remainingMs: number; readonly error: AnyLockError })
  | (HoldEventBase & { readonly type: 'lost'; readonly reason: LostReason; readonly heldMs: number; readonly fencingToken: FencingToken })
  | (HoldEventBase & { readonly type: 'released'; readonly heldMs: number; readonly freed: boolean; readonly fencingToken: FencingToken })
  | (HoldEventBase & { readonly type: 'release-failed'; readonly error: AnyLockError });

/** One of several servers is known to differ from what was last reported of it: it went, came back, or takes part again. */
export type NodeChangedEvent = StoreEventBase & { readonly type: 'node-changed'; readonly health: NodeHealth };

/**
 * A call to the backend has settled, for this manager: `unanswered` when its time was up, `ended` when its caller gave it up. It serves
 * many callers and comes with every call, so it goes over the channel `holdfast:store-call` alone, not to `onEvent`.
 */
export type StoreCallEvent = StoreEventBase & {
  readonly type: 'store-call';
  readonly operation: StoreOperation;
  readonly durationMs: number;
  readonly outcome: 'answered' | 'failed' | 'unanswered' | 'ended';
  /** How many holds or names it carried. */
  readonly requests: number;
  /** Of the holds that it carried, the `requestId` of each; empty for what is asked for no hold. */
  readonly requestIds: readonly string[];
  /** Of `failed` and `unanswered`. */
  readonly code?: LockErrorCode;
};

/**
 * What an operator can observe, on the channel `holdfast:<type>` of `node:diagnostics_channel` and through
 * `onEvent`. Never carries an owner token. What an observer throws or rejects is swallowed. An event is made only where somebody
 * listens.
 */
export type LockEvent = HoldLifeEvent | NodeChangedEvent;

/** The kinds of events. */
export type LockEventType = LockEvent['type'];

/** The names of the diagnostics channels: of all events, and of calls to the store. */
export type LockChannel = `holdfast:${LockEventType | StoreCallEvent['type']}`;
