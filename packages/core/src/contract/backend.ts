import type { CallContext } from './call-context.js';
import type { Capabilities } from './capabilities.js';
import type { NodeHealth } from './health.js';
import type { FencingToken, LostReason } from './lease.js';
import type { BackendMarks } from './marks.js';
import type { LockKind, LockState } from './state.js';

export type { CallContext };

/**
 * One request for a hold. `owner` is 128 random bits as 32 lower-case hex digits, fresh for every attempt; requests
 * are idempotent per (name, owner): asked twice, the same grant is answered twice. `ttlMs` includes the guard time.
 */
export type HoldRequest = { readonly name: string; readonly owner: string; readonly label: string; readonly ttlMs: number } & (
  | { readonly mode: 'exclusive' | 'read' | 'write' }
  | { readonly mode: 'permits'; readonly permits: number; readonly limit: number }
);

/** What names a hold to the store. */
export type HoldRef = Pick<HoldRequest, 'name' | 'owner'> & { readonly mode: HoldRequest['mode'] };

/** Both readings of the holder's clock, taken before a request was queued. */
export interface Stamp {
  readonly now: number;
  readonly wall: number;
}

/** The answer to one request. */
export type Answer<F extends FencingToken = FencingToken> =
  | {
      readonly granted: true;
      readonly fencingToken: F;
      /**
       * When the request that granted was stamped. Needed from `wait`, whose enrolment is as old as the wait; left
       * out, core confirms such a grant by a renewal.
       */
      readonly stamp?: Stamp;
      /**
       * The grant is provisional: it may be believed for so many ms from `stamp` on, never for longer than was asked for. Core confirms such a grant at once by a renewal, which lasts as long as any other. For a store that grants to a waiter
       * before that one has asked again.
       */
      readonly forMs?: number;
    }
  | {
      readonly granted: false;
      /**
       * false: a second copy of the request may yet be carried out (a driver has sent it again over a new connection). Core then
       * releases the owner until a release is final.
       *
       * @default true
       */
      readonly isFinal?: boolean;
      /** When the present hold would expire by itself, if the store can tell. */
      readonly remainingMs: number | null;
    };

/** What is to be freed. */
export interface Release extends HoldRef {
  /**
   * The request of this manager's next waiter, of the same name, to be answered in the same step of the store: granted when the hold was
   * this owner's and the request fits, unless others have waited for long enough. Given only to a backend with `takesNext`.
   */
  readonly next?: HoldRequest;
}

/** The answer to the release of one hold, from a backend whose requests expire. */
export interface ReleaseAnswer {
  /** Whether this release freed the hold: false when the hold was not this owner's. */
  readonly wasOurs: boolean;
  /**
   * No request of this owner can take effect any more, whatever is still on its way. While false, core repeats the release in
   * the background; the caller has `wasOurs` of the first answer at once.
   */
  readonly isFinal: boolean;
  /** The answer to `Release.next`: its grant; null, or left out, when it was not granted. */
  readonly next?: Answer | null;
}

/**
 * What talks to one store. Core does validation, waiting, local queueing, renewal, deadlines, loss, re-entry and
 * events; a backend does one step at a time.
 *
 * **Promises.** Core puts its own deadline on every call and never awaits one bare. A promise of `attempt`, `renew`
 * or `release` that is still pending says: the store may yet act on the request. It settles when the request was
 * answered, or when its connection has ended. After a timed-out `attempt` core repeats `release` until one is
 * answered that was sent after the attempt had settled.
 *
 * **Requests that expire.** A connection that this process closed proves nothing: its packets may still arrive, behind the
 * release that was to undo them. A backend with `requestsExpire` gives each request that grants or renews a moment of the
 * store's clock after which the store refuses the request, and its `release` answers `ReleaseAnswer`s. Core then repeats a
 * release until its answer is final.
 *
 * **Errors.** Throw `LockUnavailableError` when the store was not reached, refused or answered nonsense
 * (`retryable: false` where waiting cannot help; `wasSent: false` where the request certainly never left this process, so
 * that core need not undo it). Anything else thrown is wrapped in one. Never answer "busy" for it.
 */
export interface LockBackend<F extends FencingToken = FencingToken> {
  /** Version of this interface; core refuses one that it does not know. */
  readonly contract: 1;
  readonly name: string;
  readonly capabilities: Capabilities;
  /**
   * Session stores only (`expiry: 'session'`): for how long after its last good heartbeat a session may be believed
   * in, in milliseconds. May change when a session is negotiated; core reads it at every grant and renewal.
   */
  readonly sessionMs?: number;
  /**
   * The store refuses requests that arrive later than `call.timeoutMs` allows, and `release` says whether it was final.
   *
   * @default false
   */
  readonly requestsExpire?: boolean;
  /** One non-waiting attempt for each request. Rejects when the answer to any of them is unknown. */
  attempt(requests: readonly HoldRequest[], call: CallContext): Promise<readonly Answer<F>[]>;
  /**
   * Keeps each hold for another `ttlMs`, never shorter than it already has. false: definitely not this owner's (any more).
   * null: the store could not tell for this one (a majority that answered for others); core tries again, as after a rejection.
   */
  renew(holds: readonly (HoldRef & { readonly ttlMs: number })[], call: CallContext): Promise<readonly (boolean | null)[]>;
  /**
   * Frees each hold, and whatever else its owner left (a place in a queue). false: it was not this owner's. With
   * `requestsExpire` each answer is a `ReleaseAnswer`; a plain boolean is final when it was sent after every granting
   * request of its owner had settled.
   */
  release(holds: readonly Release[], call: CallContext): Promise<readonly (boolean | ReleaseAnswer)[]>;
  /**
   * `release` takes `next`. For a backend with `wait` and without `capabilities.fair`: its manager hands on to its own waiters as long as the
   * store allows, without a round trip in between.
   * @default false
   */
  readonly takesNext?: boolean;
  /** Holds of different partitions fail apart (the masters of a cluster): core never puts two in one call. */
  partition?(name: string): string;
  /**
   * A native queue: enrols once, waits its turn, resolves with the grant; leaves nothing behind when ended. With `capabilities.fair` every
   * waiter stands in it. Without, only the first of a manager's waiters for a name does, and not while the manager itself holds the name
   * against everybody; the others stand in line behind that one, and the first request of all is an `attempt`.
   */
  wait?(request: HoldRequest, call: CallContext): Promise<Extract<Answer<F>, { granted: true }>>;
  /**
   * Whether `wait` calls `call.onQueued` for each request that is not granted at once. Without it core takes what has not
   * been granted after a moment for waiting, which is a guess where the store is far away. It may be called each time that the store is heard:
   * core then does not look by itself whether the store is there.
   * @default false
   */
  readonly tellsQueued?: boolean;
  /**
   * Calls `wake` when the hold may have become possible; may miss, never blocks. Core subscribes before the attempts
   * that wait, so an attempt for a name with an open subscription is one that will wait. Closing a subscription that
   * was woken and made no attempt since passes the wake on.
   */
  subscribe?(request: HoldRequest, wake: () => void): { close(): void };
  /** Called once by core: the backend tells of holds that it knows to be gone before a renewal would (a dead session). */
  onLost?(listener: (hold: HoldRef, reason: LostReason) => void): void;
  /**
   * For a backend whose holds stand on something that may end sooner than their requests say (other leases): for how
   * long it can still vouch for the hold of this owner. Synchronous, without I/O: asked at every look at a lease,
   * which is held only as long as this and its own deadline last. Left out: the deadline alone decides.
   */
  remainingMs?(owner: string): number;
  /** Completion marks. */
  readonly marks?: BackendMarks;
  list?(prefix: string, call: CallContext): AsyncIterable<LockState>;
  inspect(name: string, kind: LockKind, call: CallContext): Promise<LockState>;
  forceRelease(name: string, kind: LockKind, call: CallContext): Promise<boolean>;
  /**
   * Checks what only the backend knows (configuration, role); core takes and frees a random lock besides. A store of several
   * servers says how each of them is, and leaves it to that lock whether they suffice.
   */
  checkHealth(call: CallContext): Promise<void | readonly NodeHealth[]>;
  /**
   * Calls `listener` when one of several servers is known to differ from what was last reported of it: it went, came back, left its
   * quarantine. Optional; for people and metrics, nothing is decided by it. Core calls it once, before anything else.
   */
  onNodeChanged?(listener: (health: NodeHealth) => void): void;
  close(): Promise<void>;
}
