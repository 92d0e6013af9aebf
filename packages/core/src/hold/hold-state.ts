import type { Stamp } from '../contract/backend.js';
import type { FencingToken } from '../contract/lease.js';
import type { AnyLockError, LockLostError, LostReason } from '../errors.js';
import type { HoldPlan } from './hold-plan.js';

/** What never changes of one hold. */
export interface HoldFacts {
  readonly plan: HoldPlan;
  readonly store: StoreFacts;
}

/** What the machine must know of the store. */
export interface StoreFacts {
  readonly backend: string;
  /** The store keeps a hold for as long as a session lives, not for a time that it was given. */
  readonly isSession: boolean;
  /** The longest that one good answer may be believed, ms: what the session lives without a word. Infinity where the store keeps a time. */
  readonly sessionMs: number;
  readonly commandTimeoutMs: number;
}

/** A hold that was granted. */
export interface Grant {
  /** When the granting request was stamped. */
  readonly stamp: Stamp;
  readonly fencingToken: FencingToken;
}

/** How a hold ended for its caller, whatever the store still has of it. */
export type HoldEnd =
  /** Busy, failed, or ended by the caller before it was granted. */
  | { readonly how: 'not-granted' }
  /** Granted, and given back before anybody used it. */
  | { readonly how: 'unused' }
  /** `wasOurs` is null while the store has not answered the release. */
  | { readonly how: 'released'; readonly wasOurs: boolean | null }
  /** Its holder has let go of it, for somebody else to go on with: it stands in the store. */
  | { readonly how: 'detached' }
  | { readonly how: 'lost'; readonly error: LockLostError };

/** A granting request is under way. */
export interface Asking {
  readonly at: 'asking';
  readonly hold: HoldFacts;
  readonly grant: null;
  readonly end: null;
}

/** The holder may believe in the hold until the deadline. */
export interface Held {
  readonly at: 'held';
  readonly hold: HoldFacts;
  readonly grant: Grant;
  readonly end: null;
  /** On both clocks; see `elapsedSince`. It moves only forward: the store never shortens a hold. */
  readonly deadline: Stamp;
  /** How long after the grant the hold ends, however often the store confirms it: a session hold without renewal has such an end. */
  readonly capMs: number;
  /** Monotonic time of the next renewal or verification; Infinity while one is under way. */
  readonly renewAt: number;
  /** The longest that the store was ever given, without the guard: the store may keep the hold for so long. */
  readonly longestTtlMs: number;
  /** false: granted for a while only, until a renewal has lengthened it. */
  readonly isConfirmed: boolean;
}

/** The holder's release is under way. */
export interface Releasing {
  readonly at: 'releasing';
  readonly hold: HoldFacts;
  readonly grant: Grant;
  readonly end: null;
  readonly longestTtlMs: number;
}

/** The caller is done with the hold, and the store may have something of its owner: releases go on until one is final. */
export interface Doubtful {
  readonly at: 'doubtful';
  readonly hold: HoldFacts;
  readonly grant: Grant | null;
  readonly end: HoldEnd;
  /** Monotonic time from which the hold, if it was granted after all, has ended by itself. */
  readonly until: number;
  /** The backend has settled the granting request: the store cannot act on the request any more, as far as the backend knows. */
  readonly isSettled: boolean;
  /** `waiting` for its timer, `under-way`, or `stale`: under way, and sent before something happened that calls for another. */
  readonly release: 'waiting' | 'under-way' | 'stale';
  /** The pause before the next release. */
  readonly pauseMs: number;
}

/** Over, here and in the store. */
export interface Ended {
  readonly at: 'ended';
  readonly hold: HoldFacts;
  readonly grant: Grant | null;
  readonly end: HoldEnd;
}

/** All that is known of one hold: `grant` once there was one, `end` once it is over for its caller. Only `step` makes the next from the last. */
export type HoldState = Asking | Held | Releasing | Doubtful | Ended;

/** What can happen to a hold. */
export type HoldEvent =
  | {
      readonly type: 'granted';
      readonly fencingToken: FencingToken;
      /** From when the grant counts: before the request was sent. */
      readonly stamp: Stamp;
      /** Of a provisional grant: for how long after the stamp it may be believed. undefined of any other. */
      readonly forMs: number | undefined;
    }
  /** The store refused, or the request certainly never left this process. */
  | { readonly type: 'refused' }
  /** The answer is unknown, or nobody waits for it any more. */
  | { readonly type: 'unanswered'; readonly isSettled: boolean }
  /** The backend has settled a request whose answer was given up. */
  | { readonly type: 'settled' }
  /** The clock, or the backend's own word, says that the deadline has passed. */
  | { readonly type: 'expired' }
  /** The hold's timer has fired. */
  | { readonly type: 'due' }
  /** Stamped before it was sent. `extensionMs`: what `extend` asked for; null for a renewal or verification. */
  | { readonly type: 'renewed'; readonly stamp: Stamp; readonly beliefMs: number; readonly extensionMs: number | null }
  /** A renewal of unknown outcome. */
  | { readonly type: 'renew-failed'; readonly error: AnyLockError }
  | { readonly type: 'extend'; readonly ttlMs: number }
  | { readonly type: 'gone'; readonly reason: LostReason }
  | { readonly type: 'unused' }
  | { readonly type: 'detach' }
  | { readonly type: 'release' }
  | { readonly type: 'freed'; readonly wasOurs: boolean; readonly isFinal: boolean }
  | { readonly type: 'not-freed'; readonly error: AnyLockError };

/** What is to be done because of a step. */
export type HoldEffect =
  /** `ttlMs` null asks whether the hold stands, and lengthens nothing. */
  | { readonly do: 'send'; readonly what: 'renewal'; readonly ttlMs: number | null }
  | { readonly do: 'send'; readonly what: 'extension'; readonly ttlMs: number }
  /** `soon`: others that are due within milliseconds go with it. */
  | { readonly do: 'send'; readonly what: 'release'; readonly soon: boolean }
  /** Monotonic time; Infinity cancels the timer. */
  | { readonly do: 'timer'; readonly at: number }
  | { readonly do: 'emit'; readonly type: 'lost' | 'released' }
  | { readonly do: 'emit'; readonly type: 'renew-failed' | 'release-failed'; readonly error: AnyLockError }
  | { readonly do: 'abort'; readonly error: LockLostError }
  /** The caller of `release` hears whether the store freed the hold, or why that is unknown. */
  | { readonly do: 'settle'; readonly wasOurs: boolean }
  | { readonly do: 'settle'; readonly error: AnyLockError };

/** A state, and what follows from the step into it. */
export type Step = readonly [HoldState, readonly HoldEffect[]];
