import type { AnyLockError, LockErrorCode } from '../errors.js';
import type { NodeHealth } from './health.js';
import type { FencingToken, LostReason } from './lease.js';
import type { HolderState, LockKind } from './state.js';

interface EventBase {
  /** The backend of the manager, such as `redis`. */
  readonly backend: string;
  /** `LockManager.id` of the manager. */
  readonly managerId: string;
  /** Wall-clock milliseconds since the epoch. */
  readonly at: number;
}

interface HoldEventBase extends EventBase {
  /** The same from `waiting` to the end of one call's hold; unique in the process. Not the owner token. */
  readonly requestId: string;
  /** Of which kind the name is. */
  readonly kind: LockKind;
  /** The name that was asked for. */
  readonly name: string;
  /** Who asked, for people. */
  readonly label: string;
  /** How it is held, or asked for. */
  readonly mode: HolderState['mode'];
  /** How many permits; 1 for all but permits. */
  readonly permits: number;
  /** Whether the request was refused, or stood behind another, before it was granted or gave up. */
  readonly contended: boolean;
}

interface StoreEventBase extends EventBase {
  /** Null: the event belongs to no single hold. */
  readonly kind: null;
  /** Null: the event belongs to no single name. */
  readonly name: null;
  /** Null: nobody in particular asked. */
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
  | (HoldEventBase & {
      readonly type: 'granted';
      /** How long the call waited, in milliseconds. */
      readonly waitedMs: number;
      /** The token of the hold; null for permits, and where the store has none. */
      readonly fencingToken: FencingToken;
    })
  | (HoldEventBase & {
      readonly type: 'not-granted';
      /** How long the call waited, in milliseconds. */
      readonly waitedMs: number;
      /** Why nothing is held. */
      readonly outcome: 'busy' | 'timeout' | 'aborted' | 'unavailable' | 'closed';
      /** What the call rejected with; absent when it was busy. */
      readonly error?: unknown;
    })
  | (HoldEventBase & {
      readonly type: 'renewed';
      /** The time to the deadline when the renewal was confirmed, in milliseconds: about two thirds of the ttl as a rule, and a warning near 0. */
      readonly remainingMs: number;
      /** The ttl of the lease, in milliseconds. */
      readonly ttlMs: number;
    })
  | (HoldEventBase & {
      readonly type: 'renew-failed';
      /** How long the lease is still held without another renewal, in milliseconds. */
      readonly remainingMs: number;
      /** Why the store did not confirm it. */
      readonly error: AnyLockError;
    })
  | (HoldEventBase & {
      readonly type: 'lost';
      /** Why it was lost; docs/errors.md says of each reason what to do. */
      readonly reason: LostReason;
      /** How long it was held, in milliseconds. */
      readonly heldMs: number;
      /** The token of the hold; null for permits, and where the store has none. */
      readonly fencingToken: FencingToken;
    })
  | (HoldEventBase & {
      readonly type: 'released';
      /** How long it was held, in milliseconds. */
      readonly heldMs: number;
      /** Whether the release freed it: false when it had ended before, and when it was detached. */
      readonly freed: boolean;
      /** The token of the hold; null for permits, and where the store has none. */
      readonly fencingToken: FencingToken;
    })
  | (HoldEventBase & {
      readonly type: 'release-failed';
      /** Why the release was not answered; it goes on in the background. */
      readonly error: AnyLockError;
    });

/** One of several servers is known to differ from what was last reported of it: it went, came back, takes part again, or its clock is off by more or less. */
export type NodeChangedEvent = StoreEventBase & {
  readonly type: 'node-changed';
  /** How the server is now. */
  readonly health: NodeHealth;
};

/**
 * Somebody holds permits of a semaphore by another limit than this manager's: once a name and manager, as soon as the store shows it with an answer. A
 * rolling deployment that changes the limit causes it for a while; else two programs disagree. Nobody is refused: each call keeps to its own limit.
 */
export type LimitDiffersEvent = EventBase & {
  readonly type: 'limit-differs';
  /** Only semaphores have a limit. */
  readonly kind: 'semaphore';
  /** The semaphore. */
  readonly name: string;
  /** Null: the event belongs to no single request. */
  readonly label: null;
  /** The number of permits that this manager's request names as the limit. */
  readonly limit: number;
  /** The number of permits that a present holder has named as the limit. */
  readonly holdersLimit: number;
};

/**
 * A call to the backend has settled, for this manager: `unanswered` when its time was up, `ended` when its caller gave it up. It serves
 * many callers and comes with every call, so it goes over the channel `holdfast:store-call` alone, not to `onEvent`.
 */
export type StoreCallEvent = StoreEventBase & {
  readonly type: 'store-call';
  /** What the backend was asked. */
  readonly operation: StoreOperation;
  /** How long the call took, in milliseconds. */
  readonly durationMs: number;
  /** How it ended. */
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
export type LockEvent = HoldLifeEvent | NodeChangedEvent | LimitDiffersEvent;

/** The kinds of events. */
export type LockEventType = LockEvent['type'];

/** The names of the diagnostics channels: of all events, and of calls to the store. */
export type LockChannel = `holdfast:${LockEventType | StoreCallEvent['type']}`;
