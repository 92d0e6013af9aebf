import type { HoldRequest, LockBackend } from '../contract/backend.js';
import { type AnyLockError, isLockError } from '../errors.js';
import { type HoldPlan, requestOf } from '../lease/hold-plan.js';
import type { HoldRecord } from '../lease/hold-record.js';
import type { Keeper } from '../lease/keeper.js';
import type { StoreCalls } from '../store/store-calls.js';
import type { Attempt, Attempts, Busy } from './attempts.js';
import { backoffMs, pollMs } from './backoff.js';
import { StoreWatch } from './store-watch.js';
import type { Waiter } from './waiter.js';

/** After handing over within this manager for so long, other managers get their turn ... */
const LOCAL_TURN_MS = 100;
/** ... which is this long. */
const YIELD_MS = 2;

/** A place in the store's own queue that is not granted within this is a wait. */
const QUEUED_IS_WAITING_MS = 30;

/** What the queues of one manager share. */
export interface QueueServices {
  readonly backend: LockBackend;
  readonly calls: StoreCalls;
  readonly keeper: Keeper;
  readonly attempts: Attempts;
  readonly unavailableAfterMs: number;
  /** Told when a waiter is first refused. */
  readonly onContended: (waiter: Waiter) => void;
}

/**
 * The waiters of one manager for one name. With a plain backend they stand in line and only the first asks the
 * store; while the manager itself holds the lock not even that one does. With a fair backend each stands in the
 * store's own queue. What the store last said is shared by all of them.
 */
export class NameQueue {
  readonly #services: QueueServices;
  readonly #key: string;
  readonly #onEmpty: (key: string) => void;
  readonly #waiters = new Set<Waiter>();
  #head: Waiter | null = null;
  readonly #watch: StoreWatch;
  #localSince: number | null = null;

  constructor(key: string, services: QueueServices, onEmpty: (key: string) => void) {
    this.#key = key;
    this.#services = services;
    this.#onEmpty = onEmpty;
    this.#watch = new StoreWatch(services.backend, services.calls, services.unavailableAfterMs, {
      waiters: this.#waiters,
      giveUp: (waiter, error) => this.#fail(waiter, error),
    });
  }

  get waiters(): readonly Waiter[] {
    return [...this.#waiters];
  }

  /** @param begun the attempt that the first in line has made already */
  join(waiter: Waiter, begun: Attempt<HoldRecord | Busy> | null = null): void {
    this.#waiters.add(waiter);
    this.#watch.joined(waiter);
    if (this.#services.backend.wait !== undefined) void this.#stand(waiter);
    else if (this.#head === null) this.#promote(waiter, begun);
    else this.#contended(waiter);
  }

  /** The waiter has ended. Whoever ends may have been woken, so the next in line asks. */
  leave(waiter: Waiter): void {
    if (!this.#waiters.delete(waiter)) return;
    if (this.#waiters.size === 0) {
      this.#watch.stop();
      this.#head = null;
      this.#onEmpty(this.#key);
      return;
    }
    if (this.#head !== waiter) return;
    const [next = null] = this.#waiters;
    this.#head = next;
    // One deadline, signal or outage may end many in this turn: it is not worth a request for each on its way out.
    if (next !== null) queueMicrotask(() => void this.#drive(next, null));
  }

  /** A hold of this manager on this name has ended: its first waiter asks right behind the release. */
  holdEnded(): void {
    this.#localSince ??= this.#services.calls.clock.now();
    this.#head?.wake();
  }

  /** Whether anything of the store or of this manager's own hold was heard while the waiter waited. */
  wasHeard(waiter: Waiter): boolean {
    return this.#services.backend.wait === undefined || this.#hasAnswered(waiter);
  }

  /** Whether the store was heard while the waiter waited: then a wait that ran out is a timeout, else an outage. */
  outageFor(waiter: Waiter): AnyLockError | null {
    return this.#hasAnswered(waiter) ? null : this.#watch.outageFor(waiter);
  }

  #hasAnswered(waiter: Waiter): boolean {
    return this.#watch.wasHeardBy(waiter) || this.#services.keeper.holdsExclusively(this.#key);
  }

  #promote(waiter: Waiter, begun: Attempt<HoldRecord | Busy> | null): void {
    this.#head = waiter;
    void this.#drive(waiter, begun);
  }

  #contended(waiter: Waiter): void {
    if (waiter.isContended) return;
    waiter.isContended = true;
    this.#services.onContended(waiter);
  }

  /** The first in line asks until the wait ends. Never rejects. */
  async #drive(waiter: Waiter, begun: Attempt<HoldRecord | Busy> | null): Promise<void> {
    const { keeper, calls, attempts, backend } = this.#services;
    while (!waiter.isDone) {
      if (begun === null && keeper.holdsExclusively(this.#key)) {
        this.#contended(waiter);
        await waiter.pause(Number.POSITIVE_INFINITY);
        waiter.clearWake();
        continue;
      }
      if (begun === null && this.#isOthersTurn()) await waiter.hold(YIELD_MS);
      // Also where nothing was waited for: the look at our own hold may have told its loss, and somebody ended the wait for that.
      if (waiter.isDone) return;
      const askedAt = begun === null ? calls.clock.now() : waiter.joinedAt;
      const attempt = begun ?? attempts.one(waiter.plan);
      begun = null;
      try {
        const outcome = await waiter.watch(attempt);
        this.#watch.answered();
        if ('plan' in outcome) {
          this.#granted(waiter, outcome);
          return;
        }
        if (waiter.isDone) return;
        await this.#afterRefusal(waiter, outcome, backend);
      } catch (error) {
        if (waiter.isDone) return;
        await this.#afterFailure(waiter, error as AnyLockError, askedAt);
      }
    }
  }

  /** Stands in the backend's queue until the wait ends. Never rejects. */
  async #stand(waiter: Waiter): Promise<void> {
    const { calls, attempts, backend } = this.#services;
    while (!waiter.isDone) {
      const askedAt = calls.clock.now();
      try {
        const onQueued = (): void => {
          if (!waiter.isDone) this.#contended(waiter);
        };
        const attempt = waiter.watch(attempts.queued(waiter.plan, onQueued));
        // Where the queue tells nothing until the grant, what is not granted soon is waiting.
        if (backend.tellsQueued !== true) void waiter.pause(QUEUED_IS_WAITING_MS).then(onQueued);
        const record = await attempt;
        this.#watch.answered();
        this.#granted(waiter, record);
        return;
      } catch (error) {
        if (waiter.isDone) return;
        await this.#afterFailure(waiter, error as AnyLockError, askedAt);
      }
    }
  }

  #granted(waiter: Waiter, record: HoldRecord): void {
    // The wait ended while the grant was on its way through the event loop.
    if (waiter.isDone) this.#services.attempts.giveBack(record);
    else waiter.grant(record);
    this.leave(waiter);
  }

  async #afterRefusal(waiter: Waiter, busy: Busy, backend: LockBackend): Promise<void> {
    this.#localSince = null;
    waiter.refusals += 1;
    this.#contended(waiter);
    const { clock } = this.#services.calls;
    if (backend.subscribe === undefined) {
      const pause = backoffMs(clock, waiter.refusals, 20, 500);
      await waiter.pause(busy.remainingMs === null ? pause : Math.min(pause, busy.remainingMs + 2));
      return;
    }
    if (!waiter.isSubscribed) {
      // From here on a release is heard; the attempt that follows at once closes the gap before it.
      waiter.subscription = backend.subscribe(requestFor(waiter.plan), () => {
        waiter.wake();
      });
      return;
    }
    await waiter.pause(pollMs(clock, busy.remainingMs, waiter.refusals));
  }

  async #afterFailure(waiter: Waiter, error: AnyLockError, askedAt: number): Promise<void> {
    const { calls } = this.#services;
    if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') || !error.retryable) {
      this.#fail(waiter, error);
      return;
    }
    const failures = this.#watch.failed(error, askedAt);
    // A wake-up says that the store is there again, or that there is a hold to be had.
    waiter.clearWake();
    await waiter.pause(backoffMs(calls.clock, failures, 20, 500));
  }

  #fail(waiter: Waiter, error: AnyLockError): void {
    waiter.fail(error);
    this.leave(waiter);
  }

  /** Handing over within the manager is the fastest way, and would starve other managers without an end. */
  #isOthersTurn(): boolean {
    if (this.#localSince === null || this.#services.calls.clock.now() - this.#localSince < LOCAL_TURN_MS) return false;
    this.#localSince = null;
    return true;
  }
}

/** What a subscription is for; it holds nothing, so it has no owner. */
function requestFor(plan: HoldPlan): HoldRequest {
  return requestOf(plan, '', plan.ttlMs);
}
