import type { HoldRequest, LockBackend } from '../contract/backend.js';
import { type AnyLockError, isLockError, LockUnavailableError } from '../errors.js';
import { type HoldPlan, requestOf } from '../lease/hold-plan.js';
import type { HoldRecord } from '../lease/hold-record.js';
import type { Keeper } from '../lease/keeper.js';
import type { StoreCalls } from '../store/store-calls.js';
import type { TimerEntry } from '../store/timer-queue.js';
import type { Attempt, Attempts, Busy } from './attempts.js';
import { backoffMs, pollMs } from './backoff.js';
import type { Waiter } from './waiter.js';

/** After handing over within this manager for so long, other managers get their turn ... */
const LOCAL_TURN_MS = 100;
/** ... which is this long. */
const YIELD_MS = 2;

/** A place in the store's own queue that is not granted within this is a wait. */
const QUEUED_IS_WAITING_MS = 30;
/** A look at the store that has been unanswered for so long says that it is silent; for less, that this process was busy. */
const SILENT_AFTER_MS = 250;

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
  #lastAnswerAt = Number.NEGATIVE_INFINITY;
  #failingSince: number | null = null;
  #failures = 0;
  #lastFailure: AnyLockError | null = null;
  #localSince: number | null = null;
  #probingSince: number | null = null;
  // Made when they are first set: most queues live for one attempt.
  #probeEntry: TimerEntry | null = null;
  #outageEntry: TimerEntry | null = null;

  constructor(key: string, services: QueueServices, onEmpty: (key: string) => void) {
    this.#key = key;
    this.#services = services;
    this.#onEmpty = onEmpty;
  }

  get waiters(): readonly Waiter[] {
    return [...this.#waiters];
  }

  /** @param begun the attempt that the first in line has made already */
  join(waiter: Waiter, begun: Attempt<HoldRecord | Busy> | null = null): void {
    this.#waiters.add(waiter);
    // One that comes during an outage starts with a time of its own.
    if (this.#failingSince !== null) this.#armOutage();
    if (this.#services.backend.wait !== undefined) {
      // Early enough that a short wait can tell whether the store is there at all.
      this.#planProbe(waiter.waitMs / 2);
      void this.#stand(waiter);
    } else if (this.#head === null) this.#promote(waiter, begun);
    else this.#contended(waiter);
  }

  /** The waiter has ended. Whoever ends may have been woken, so the next in line asks. */
  leave(waiter: Waiter): void {
    if (!this.#waiters.delete(waiter)) return;
    if (this.#waiters.size === 0) {
      if (this.#outageEntry !== null) this.#services.calls.timers.remove(this.#outageEntry);
      if (this.#probeEntry !== null) this.#services.calls.timers.remove(this.#probeEntry);
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
    if (this.#hasAnswered(waiter)) return null;
    if (this.#failingSince !== null) return this.#lastFailure;
    if (this.#lastAnswerAt > Number.NEGATIVE_INFINITY || (this.#services.backend.wait !== undefined && !this.#isSilent())) return null;
    const { backend } = this.#services;
    return new LockUnavailableError(`the ${backend.name} backend did not answer within the ${waiter.waitMs} ms of the wait`, {
      backend: backend.name,
      lockName: waiter.plan.name,
    });
  }

  #hasAnswered(waiter: Waiter): boolean {
    return waiter.wasHeard || this.#lastAnswerAt >= waiter.joinedAt || this.#services.keeper.holdsExclusively(this.#key);
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
        this.#answered();
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
        this.#answered();
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
      waiter.fail(error);
      this.leave(waiter);
      return;
    }
    this.#lastFailure = error;
    this.#failures += 1;
    if (this.#failingSince === null) {
      this.#failingSince = askedAt;
      this.#armOutage();
    }
    // A wake-up says that the store is there again, or that there is a hold to be had.
    waiter.clearWake();
    await waiter.pause(backoffMs(calls.clock, this.#failures, 20, 500));
  }

  /**
   * After a stall of the event loop the probe, its answer and the end of the wait are all due at once, and the timer
   * comes first: that must not make a store that answers look dead.
   */
  #isSilent(): boolean {
    return this.#probingSince !== null && this.#services.calls.clock.now() - this.#probingSince >= SILENT_AFTER_MS;
  }

  #planProbe(withinMs: number): void {
    const { calls } = this.#services;
    const at = calls.clock.now() + Math.min(withinMs, calls.commandTimeoutMs);
    this.#probeEntry ??= { dueAt: 0, heapIndex: -1, onDue: () => void this.#probe() };
    if (this.#probingSince !== null || (this.#probeEntry.heapIndex >= 0 && this.#probeEntry.dueAt <= at)) return;
    calls.timers.set(this.#probeEntry, at);
  }

  /** A place in a queue says nothing while it waits: one look a name and command time tells a long wait from a dead store. */
  async #probe(): Promise<void> {
    const { calls, backend } = this.#services;
    const [waiter] = this.#waiters;
    if (waiter === undefined) return;
    const { name, kind } = waiter.plan;
    const since = this.#lastAnswerAt === Number.NEGATIVE_INFINITY ? waiter.joinedAt : calls.clock.now();
    this.#probingSince = calls.clock.now();
    try {
      await calls.run(name, (call) => backend.inspect(name, kind, call));
      this.#answered();
    } catch (error) {
      this.#lastFailure = error as AnyLockError;
      this.#failingSince ??= since;
      this.#armOutage();
    }
    this.#probingSince = null;
    if (this.#waiters.size > 0) this.#planProbe(calls.commandTimeoutMs);
  }

  #answered(): void {
    this.#lastAnswerAt = this.#services.calls.clock.now();
    this.#failures = 0;
    if (this.#failingSince === null) return;
    this.#failingSince = null;
    if (this.#outageEntry !== null) this.#services.calls.timers.remove(this.#outageEntry);
  }

  /** When the first of the waiters has seen nothing but failures for long enough. */
  #armOutage(): void {
    const since = this.#failingSince;
    if (since === null) return;
    let first = Number.POSITIVE_INFINITY;
    for (const waiter of this.#waiters) first = Math.min(first, Math.max(since, waiter.joinedAt));
    this.#outageEntry ??= { dueAt: 0, heapIndex: -1, onDue: () => this.#endOutage() };
    this.#services.calls.timers.set(this.#outageEntry, first + this.#services.unavailableAfterMs);
  }

  #endOutage(): void {
    const since = this.#failingSince;
    const error = this.#lastFailure;
    if (since === null || error === null) return;
    const now = this.#services.calls.clock.now();
    for (const waiter of this.waiters) {
      if (Math.max(since, waiter.joinedAt) + this.#services.unavailableAfterMs > now) continue;
      waiter.fail(error);
      this.leave(waiter);
    }
    this.#armOutage();
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
