import type { HoldPlan } from '../lease/hold-plan.js';
import type { HoldRecord } from '../lease/hold-record.js';
import type { StoreCalls } from '../store/store-calls.js';
import type { TimerEntry } from '../store/timer-queue.js';
import type { Attempt } from './attempts.js';

/** How long one `acquire` waits, and what ends it. */
export interface WaitLimits {
  readonly waitMs: number;
  readonly signal: AbortSignal | undefined;
  /** It is the rest of a longer wait, in which the store has answered: when it runs out, that is a timeout. @default false */
  readonly wasHeard?: boolean;
}

/** Told of the end of a wait, before whoever waits. */
export interface WaitObserver {
  granted(waiter: Waiter, record: HoldRecord): void;
  refused(waiter: Waiter, error: unknown): void;
  timedOut(waiter: Waiter): void;
  aborted(waiter: Waiter, reason: unknown): void;
}

/** One `acquire` that may wait: settled exactly once, by a grant or by what ended the wait. */
export class Waiter implements TimerEntry {
  dueAt = 0;
  heapIndex = -1;
  readonly plan: HoldPlan;
  readonly waitMs: number;
  readonly joinedAt: number;
  readonly wasHeard: boolean;
  readonly result: Promise<HoldRecord>;
  /** Whether it was told "busy", or found others in front of it. */
  isContended = false;
  isDone = false;
  /** How many times it was told "busy". */
  refusals = 0;
  readonly #calls: StoreCalls;
  readonly #observer: WaitObserver;
  readonly #signal: AbortSignal | undefined;
  #attempt: Attempt<unknown> | null = null;
  #subscription: { close(): void } | null = null;
  #isWoken = false;
  #isHolding = false;
  #resume: (() => void) | null = null;
  #pauseEntry: TimerEntry | null = null;
  #resolve!: (record: HoldRecord) => void;
  #reject!: (error: unknown) => void;
  #onAbort: (() => void) | null = null;

  constructor(plan: HoldPlan, limits: WaitLimits, calls: StoreCalls, observer: WaitObserver, joinedAt: number) {
    this.plan = plan;
    this.waitMs = limits.waitMs;
    this.wasHeard = limits.wasHeard ?? false;
    this.#signal = limits.signal;
    this.#calls = calls;
    this.#observer = observer;
    this.joinedAt = joinedAt;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Starts the limits. A wait is a pending call: it keeps the process alive. */
  begin(): void {
    this.#calls.keepAlive.begin();
    this.#calls.timers.set(this, this.joinedAt + this.waitMs);
    const signal = this.#signal;
    if (signal === undefined) return;
    this.#onAbort = () => {
      this.#observer.aborted(this, signal.reason);
    };
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  onDue(): void {
    this.#observer.timedOut(this);
  }

  waitedMs(): number {
    return Math.max(0, Math.round(this.#calls.clock.now() - this.joinedAt));
  }

  /** The attempt that ends with the wait. */
  watch<T>(attempt: Attempt<T>): Promise<T> {
    this.#attempt = attempt;
    this.#isWoken = false;
    return attempt.result;
  }

  get isSubscribed(): boolean {
    return this.#subscription !== null;
  }

  set subscription(subscription: { close(): void }) {
    if (this.isDone) subscription.close();
    else this.#subscription = subscription;
  }

  /** The hold may have become possible. Kept until the next attempt, so that no wake-up is lost. */
  wake(): void {
    this.#isWoken = true;
    if (!this.#isHolding) this.#continue();
  }

  /** What woke it has been looked at. */
  clearWake(): void {
    this.#isWoken = false;
  }

  /** Waits to be woken, at most so long. */
  pause(ms: number): Promise<void> {
    return this.#isWoken ? Promise.resolve() : this.#sleep(ms);
  }

  /** Waits so long whoever wakes it. */
  async hold(ms: number): Promise<void> {
    this.#isHolding = true;
    await this.#sleep(ms);
    this.#isHolding = false;
  }

  grant(record: HoldRecord): void {
    if (!this.#finish()) return;
    this.#observer.granted(this, record);
    this.#resolve(record);
  }

  /** Ends the wait. An attempt under way is ended with it, and freed. */
  fail(error: unknown): void {
    if (!this.#finish()) return;
    this.#attempt?.end(error);
    this.#refuse(error);
  }

  /** Ends the wait now and tells why later; meanwhile nothing is asked for any more. */
  failWith(error: Promise<unknown>, reason: unknown): void {
    if (!this.#finish()) return;
    this.#attempt?.end(reason);
    const refuse = (told: unknown): void => {
      this.#refuse(told);
    };
    void error.then(refuse, refuse);
  }

  #refuse(error: unknown): void {
    this.#observer.refused(this, error);
    this.#reject(error);
  }

  #sleep(ms: number): Promise<void> {
    if (this.isDone) return Promise.resolve();
    return new Promise((resolve) => {
      this.#resume = resolve;
      this.#pauseEntry ??= { dueAt: 0, heapIndex: -1, onDue: () => this.#continue() };
      this.#calls.timers.set(this.#pauseEntry, this.#calls.clock.now() + ms);
    });
  }

  #finish(): boolean {
    if (this.isDone) return false;
    this.isDone = true;
    this.#calls.timers.remove(this);
    if (this.#onAbort !== null) this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#subscription?.close();
    this.#subscription = null;
    this.#continue();
    this.#calls.keepAlive.end();
    return true;
  }

  #continue(): void {
    const resume = this.#resume;
    if (resume === null) return;
    this.#resume = null;
    if (this.#pauseEntry !== null) this.#calls.timers.remove(this.#pauseEntry);
    resume();
  }
}
