import type { LockBackend } from '../contract/backend.js';
import { type AnyLockError, LockUnavailableError } from '../errors.js';
import type { StoreCalls } from '../store/store-calls.js';
import type { TimerEntry } from '../store/timer-queue.js';
import type { Waiter } from './waiter.js';

/** A look at the store that has been unanswered for so long says that it is silent; for less, that this process was busy. */
const SILENT_AFTER_MS = 250;

/** Those who watch. */
export interface WatchedQueue {
  readonly waiters: ReadonlySet<Waiter>;
  /** Ends the wait of one who has seen nothing but failures for long enough. */
  giveUp(waiter: Waiter, error: AnyLockError): void;
}

/**
 * What the waiters of one name know of the store together: when it was last heard, and for how long it has failed. It tells a
 * long wait from an outage.
 */
export class StoreWatch {
  readonly #backend: LockBackend;
  readonly #calls: StoreCalls;
  readonly #unavailableAfterMs: number;
  readonly #queue: WatchedQueue;
  #lastAnswerAt = Number.NEGATIVE_INFINITY;
  #failingSince: number | null = null;
  #failures = 0;
  #lastFailure: AnyLockError | null = null;
  #probingSince: number | null = null;
  // Made when they are first set: most queues live for one attempt.
  #probeEntry: TimerEntry | null = null;
  #outageEntry: TimerEntry | null = null;

  constructor(backend: LockBackend, calls: StoreCalls, unavailableAfterMs: number, queue: WatchedQueue) {
    this.#backend = backend;
    this.#calls = calls;
    this.#unavailableAfterMs = unavailableAfterMs;
    this.#queue = queue;
  }

  /** Another waiter has come. */
  joined(waiter: Waiter): void {
    // One that comes during an outage starts with a time of its own.
    if (this.#failingSince !== null) this.#armOutage();
    // Early enough that a short wait can tell whether the store is there at all.
    if (this.#hasQueue) this.#planProbe(waiter.waitMs / 2);
  }

  /** The last waiter has left. */
  stop(): void {
    if (this.#outageEntry !== null) this.#calls.timers.remove(this.#outageEntry);
    if (this.#probeEntry !== null) this.#calls.timers.remove(this.#probeEntry);
  }

  answered(): void {
    this.#lastAnswerAt = this.#calls.clock.now();
    this.#failures = 0;
    if (this.#failingSince === null) return;
    this.#failingSince = null;
    if (this.#outageEntry !== null) this.#calls.timers.remove(this.#outageEntry);
  }

  /** @returns how many failures there have been since the last answer */
  failed(error: AnyLockError, askedAt: number): number {
    this.#note(error, askedAt);
    this.#failures += 1;
    return this.#failures;
  }

  /** Whether the store was heard while the waiter waited. */
  wasHeardBy(waiter: Waiter): boolean {
    return waiter.wasHeard || this.#lastAnswerAt >= waiter.joinedAt;
  }

  /** What a wait that has run out and in which the store was not heard is told; null when it is a timeout all the same. */
  outageFor(waiter: Waiter): AnyLockError | null {
    if (this.#failingSince !== null) return this.#lastFailure;
    if (this.#lastAnswerAt > Number.NEGATIVE_INFINITY || (this.#hasQueue && !this.#isSilent())) return null;
    const { name } = this.#backend;
    return new LockUnavailableError(`the ${name} backend did not answer within the ${waiter.waitMs} ms of the wait`, {
      backend: name,
      lockName: waiter.plan.name,
    });
  }

  get #hasQueue(): boolean {
    return this.#backend.wait !== undefined;
  }

  #note(error: AnyLockError, since: number): void {
    this.#lastFailure = error;
    if (this.#failingSince !== null) return;
    this.#failingSince = since;
    this.#armOutage();
  }

  /**
   * After a stall of the event loop the probe, its answer and the end of the wait are all due at once, and the timer
   * comes first: that must not make a store that answers look dead.
   */
  #isSilent(): boolean {
    return this.#probingSince !== null && this.#calls.clock.now() - this.#probingSince >= SILENT_AFTER_MS;
  }

  #planProbe(withinMs: number): void {
    const { clock, commandTimeoutMs, timers } = this.#calls;
    const at = clock.now() + Math.min(withinMs, commandTimeoutMs);
    this.#probeEntry ??= { dueAt: 0, heapIndex: -1, onDue: () => void this.#probe() };
    if (this.#probingSince !== null || (this.#probeEntry.heapIndex >= 0 && this.#probeEntry.dueAt <= at)) return;
    timers.set(this.#probeEntry, at);
  }

  /** A place in a queue says nothing while it waits: one look a name and command time tells a long wait from a dead store. */
  async #probe(): Promise<void> {
    const [waiter] = this.#queue.waiters;
    if (waiter === undefined) return;
    const { name, kind } = waiter.plan;
    const { clock, commandTimeoutMs } = this.#calls;
    const since = this.#lastAnswerAt === Number.NEGATIVE_INFINITY ? waiter.joinedAt : clock.now();
    this.#probingSince = clock.now();
    try {
      await this.#calls.run(name, (call) => this.#backend.inspect(name, kind, call));
      this.answered();
    } catch (error) {
      this.#note(error as AnyLockError, since);
    }
    this.#probingSince = null;
    if (this.#queue.waiters.size > 0) this.#planProbe(commandTimeoutMs);
  }

  /** When the first of the waiters has seen nothing but failures for long enough. */
  #armOutage(): void {
    const since = this.#failingSince;
    if (since === null) return;
    let first = Number.POSITIVE_INFINITY;
    for (const waiter of this.#queue.waiters) first = Math.min(first, Math.max(since, waiter.joinedAt));
    this.#outageEntry ??= { dueAt: 0, heapIndex: -1, onDue: () => this.#endOutage() };
    this.#calls.timers.set(this.#outageEntry, first + this.#unavailableAfterMs);
  }

  #endOutage(): void {
    const since = this.#failingSince;
    const error = this.#lastFailure;
    if (since === null || error === null) return;
    const now = this.#calls.clock.now();
    for (const waiter of [...this.#queue.waiters]) {
      if (Math.max(since, waiter.joinedAt) + this.#unavailableAfterMs <= now) this.#queue.giveUp(waiter, error);
    }
    this.#armOutage();
  }
}
