import type { CallContext } from './call-context.js';
import type { Capabilities } from './capabilities.js';
import type { Finding, NodeHealth } from './health.js';
import type { FencingToken, LostReason } from './lease.js';
import type { BackendMarks } from './marks.js';
import type { LockKind, LockState } from './state.js';

export type { CallContext };

/**
 * One request for a hold. `owner` is a random UUID without its hyphens (32 lower-case hex digits, 122 random bits), fresh for every
 * attempt; requests are idempotent per (name, owner): asked twice, the same grant is answered twice. `ttlMs` includes the guard time.
 */
export type HoldRequest = {
  /** What is asked for: any well-formed text of 1 to 512 bytes, and no other name is the same. */
  readonly name: string;
  /** The owner token, which alone may renew or release the hold. A secret: it must not reach an error, an event or a log. */
  readonly owner: string;
  /** Who asks, for people; at most 1,024 bytes. */
  readonly label: string;
  /** For how long the store keeps the hold without a renewal, the guard included. */
  readonly ttlMs: number;
} & (
  | {
      /** A lock, or a side of a read/write lock. */
      readonly mode: 'exclusive' | 'read' | 'write';
    }
  | {
      readonly mode: 'permits';
      /** How many permits are asked for. */
      readonly permits: number;
      /** How many permits there are in all, as this caller says. */
      readonly limit: number;
    }
);

/** What names a hold to the store. */
export type HoldRef = Pick<HoldRequest, 'name' | 'owner'> & {
  /** How it is held. */
  readonly mode: HoldRequest['mode'];
};

/** Both readings of the holder's clock, taken before a request was queued. */
export interface Stamp {
  /** The monotonic clock, in milliseconds. */
  readonly now: number;
  /** The wall clock, in milliseconds since the Unix epoch. */
  readonly wall: number;
}

/**
 * The waiters of one manager for one name, in a line: with a plain backend only the first of them asks the store, and none does while the
 * manager itself holds the name. For people who look; nothing is decided by it.
 */
export interface WaitLine {
  /** How many wait. */
  readonly waiters: number;
  /** For how long the first of them has waited, in milliseconds. */
  readonly oldestWaitMs: number;
}

/** The answer to one request. */
export type Answer<F extends FencingToken = FencingToken> =
  | {
      readonly granted: true;
      /** Higher than that of every earlier exclusive or write grant of the name; null for permits, and without `capabilities.fencing`. */
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

/** A request for permits that found holders who go by another limit. */
export interface DifferentLimit {
  /** The semaphore. */
  readonly name: string;
  /** How many permits the request takes for all that there are. */
  readonly limit: number;
  /** How many permits a holder takes for all that there are. */
  readonly holdersLimit: number;
}

/** What is to be freed. */
export interface Release extends HoldRef {
  /**
   * The request of this manager's next waiter, of the same name, to be answered in the same step of the store: granted when the hold was
   * this owner's and the request fits, unless others have waited for long enough. Given only to a backend with `takesNext`, and only with a hold
   * that excludes every other of its name: a lock, or the write side of a read/write lock.
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
  /** What the store is called in events, errors and reports, such as `redis`. The same for all backends of a kind. */
  readonly name: string;
  /**
   * The package by which this backend reaches its store, where there is a choice: `checkHealth` and the errors that core itself makes name the
   * driver. null before the driver is loaded. It must not do I/O, and never throws.
   * @default null
   */
  readonly driver?: string | null | undefined;
  /** What this backend can do. It must not change; what is not declared is never asked of it, and users get LOCK_UNSUPPORTED. */
  readonly capabilities: Capabilities;
  /**
   * Session stores only (`expiry: 'session'`): for how long after its last good heartbeat a session may be believed
   * in, in milliseconds. May change when a session is negotiated; core reads it at every grant and renewal.
   */
  readonly sessionMs?: number;
  /**
   * The longest `ttlMs` that a request may have, in milliseconds, the guard time included, for a store that bounds it. Core refuses a lease that
   * would come to more, and an extension, with LOCK_INVALID_ARGUMENT and before any I/O; a manager without a `ttlMs` of its own gets the longest up
   * to its usual default.
   *
   * @default no bound but 2^31-1
   */
  readonly maxTtlMs?: number;
  /**
   * The store refuses requests that arrive later than `call.timeoutMs` allows, and `release` says whether it was final.
   *
   * @default false
   */
  readonly requestsExpire?: boolean;
  /**
   * One non-waiting attempt for each request, answered in their order. Several requests of one call are for different names, or several
   * permits and readers of one; each is answered for itself, and one that is busy does not undo the others.
   *
   * An attempt of a wait looks like any other: core asks again when it was woken, when the present hold would expire, and every two seconds
   * at the latest. A backend that keeps waiters in its store tells them apart by an open subscription for the name, and notes in
   * the same step that it found the lock busy, so that no release falls between.
   *
   * `write`: while a writer waits, `read` should be refused to newcomers, else a name that is read all the time is never written. How the
   * store knows of the writer (an intent that ends by itself, a place in a queue) is the backend's matter. Several `read` share.
   *
   * `permits`: `permits` of `limit`, all or none; the limit is that of the request. The answer's `fencingToken` is null, because no
   * order of permits means anything. The token of `exclusive` and `write` is above every earlier one of the name, that of `read` above every
   * earlier writer's; null without `capabilities.fencing`.
   *
   * @throws when the answer to any of the requests is unknown; core then releases all of them
   */
  attempt(requests: readonly HoldRequest[], call: CallContext): Promise<readonly Answer<F>[]>;
  /**
   * Keeps each hold for another `ttlMs`, never shorter than it already has. false: definitely not this owner's (any more).
   * null: the store could not tell for this one (a majority that answered for others); core tries again, as after a rejection.
   * A hold that has expired is not this owner's, whether or not somebody has taken it since. One call carries all leases that are due.
   * A `ttlMs` of 1 only asks whether the hold stands. `restMs` is how long its holder counts on it yet, guard included: what a store gives a hold that
   * some tool has taken the expiry from.
   */
  renew(
    holds: readonly (HoldRef & { readonly ttlMs: number; readonly restMs?: number })[],
    call: CallContext,
  ): Promise<readonly (boolean | null)[]>;
  /**
   * Frees each hold, and whatever else its owner left (a place in a queue). false: it was not this owner's. With
   * `requestsExpire` each answer is a `ReleaseAnswer`; a plain boolean is final when it was sent after every granting
   * request of its owner had settled. The client that waits for what was freed is woken by the store in the same step where it can.
   */
  release(holds: readonly Release[], call: CallContext): Promise<readonly (boolean | ReleaseAnswer)[]>;
  /**
   * `release` takes `next`. For a backend with `wait` and without `capabilities.fair`: its manager hands on to its own waiters as long as the
   * store allows, without a round trip in between.
   * @default false
   */
  readonly takesNext?: boolean;
  /**
   * Whether a hold of this mode can be renewed and released by another manager than the one that was granted it, by its name, mode and owner alone and
   * after `adopt`. Not asked where `expiry` is 'session'.
   * @default every hold can
   */
  canAdopt?(mode: HoldRequest['mode']): boolean;
  /**
   * Looks whether a hold that another manager is said to have been granted is what its ticket says: its mode, its permits and its fencing token.
   * Gets ready for the renewals and the release of the hold, where that takes more than its owner. Asks only, and changes nothing; what is not
   * held any more is for the renewal to find out, which core sends next.
   *
   * @returns false: the store has no such hold, or has it otherwise; core then refuses the ticket, and leaves the hold alone
   * @throws LockUnavailableError when the store did not answer
   * @default core compares what `inspect` shows, which does not tell two holders of one name apart that have the same number of permits
   */
  adopt?(hold: HoldRequest, fencingToken: FencingToken, call: CallContext): Promise<boolean>;
  /** Holds of different partitions fail apart (the masters of a cluster): core never puts two in one call. @default one partition */
  partition?(name: string): string;
  /**
   * A native queue: enrols once, waits its turn, resolves with the grant; leaves nothing behind when ended. With `capabilities.fair` every
   * waiter stands in it. Without, only the first of a manager's waiters for a name does, and not while the manager itself holds the name
   * against everybody; the others stand in line behind that one, and the first request of all is an `attempt`. It has no
   * deadline of its own: it ends by `call.signal`, and then rejects. Core keeps it for as long as the wait lasts, over failures of the store too: a
   * rejection ends this enrolment, and core enrols again under a new owner. `wasSent: false` says that nothing of the enrolment has ever left.
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
   * was woken and made no attempt since passes the wake on. Left out, core asks again with a backoff.
   */
  subscribe?(
    request: HoldRequest,
    wake: () => void,
  ): {
    /** Nobody waits any more. */
    close(): void;
  };
  /**
   * Optional, and never called on a backend with `capabilities.fair`, in whose store every waiter stands: waiters of this manager stand in
   * line for the name, until it is closed. A backend that can show them in `inspect` and `list` reads `line` when it needs the present
   * numbers: a store in this process at once, others with a sign of life, a second behind at most. Does no I/O by itself and never throws.
   */
  announce?(
    request: HoldRequest,
    line: () => WaitLine,
  ): {
    /** Nobody of this manager waits any more. */
    close(): void;
  };
  /** Called once by core: the backend tells of holds that it knows to be gone before a renewal would (a dead session). */
  onLost?(listener: (hold: HoldRef, reason: LostReason) => void): void;
  /**
   * Called once by core, before anything else: with `capabilities.reportsLimits` the backend calls `listener` when the store shows, beside its
   * answer to a request for permits, that somebody holds permits of the same name by another limit. The answer does not depend on it. The
   * listener may be called for each such request, is quick, and never throws.
   */
  onLimitDiffers?(listener: (seen: DifferentLimit) => void): void;
  /**
   * For a backend whose holds stand on something that may end sooner than their requests say (other leases): for how
   * long it can still vouch for the hold of this owner. Synchronous, without I/O: asked at every look at a lease,
   * which is held only as long as this and its own deadline last. Left out: the deadline alone decides.
   */
  remainingMs?(owner: string): number;
  /** Completion marks: there with `capabilities.marks`, and only then. */
  readonly marks?: BackendMarks;
  /** Every name that is held and begins with `prefix`, exactly; with `capabilities.list`. What changes meanwhile may be missing or appear. */
  list?(prefix: string, call: CallContext): AsyncIterable<LockState>;
  /** Who holds the name now, by the store's clock: what has expired does not show, though nobody has freed it. Nobody is an answer, not an error. */
  inspect(name: string, kind: LockKind, call: CallContext): Promise<LockState>;
  /**
   * Frees the name from all its holders, also those of other programs, and wakes who waits. Their next renewal says false, and a fencing token
   * that follows is above theirs.
   *
   * @returns whether somebody held it
   */
  forceRelease(name: string, kind: LockKind, call: CallContext): Promise<boolean>;
  /**
   * Checks what only the backend knows (configuration, role); core takes and frees a random lock besides. A store of several
   * servers says how each of them is, and leaves it to that lock whether they suffice.
   *
   * @throws LockUnavailableError what is wrong
   */
  checkHealth(call: CallContext): Promise<void | readonly NodeHealth[]>;
  /**
   * Calls `listener` when one of several servers is known to differ from what was last reported of it: it went, came back, left its
   * quarantine, or its clock is off by more or less than before. Optional; for people and metrics, nothing is decided by it. Core calls it once, before anything else.
   */
  onNodeChanged?(listener: (health: NodeHealth) => void): void;
  /**
   * Looks at the server for `holdfast doctor`: versions, settings and permissions that matter to locks, and what it was not allowed to see. Reads
   * only. A setting that cannot be read is a finding (`unseen`), not an error.
   *
   * @throws LockUnavailableError when the server was not reached
   */
  examine?(call: CallContext): Promise<readonly Finding[]>;
  /**
   * Ends what the backend has opened itself: connections, timers, listeners; a client that the user handed in stays open. Core has released or
   * given up every hold before it calls this, once or more often, and calls nothing else afterwards. Settles in bounded time, also while the store is silent; what
   * is still under way rejects.
   */
  close(): Promise<void>;
}
