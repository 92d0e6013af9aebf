import { nobodysContext } from '../async-context.js';
import type { CallContext, LockBackend, Stamp } from '../contract/backend.js';
import type { Clock } from '../contract/clock.js';
import type { StoreCallEvent, StoreOperation } from '../contract/events.js';
import { type AnyLockError, isLockError, type LockErrorCode, LockUnavailableError } from '../errors.js';
import { callChannel, type EventSource, requestIdOf } from '../events.js';
import type { HoldPlan } from '../hold/hold-plan.js';
import type { KeepAlive } from './keep-alive.js';
import type { TimerEntry, TimerQueue } from '../time/timer-queue.js';

/** What is notified, once, of how a call has ended. */
export interface CallEnd<T> {
  /** The backend has answered. An error that this throws is a failure of the call: the answer could not be read. */
  answered(value: T): void;
  /** The call has failed, run out of time or been ended; the store may act on it anyway until `isSettled`. */
  failed(error: unknown, call: StoreCall<T>): void;
  /** The caller ended the call after the answer had come, and has not used the result. */
  unwanted?(): void;
}

/**
 * One call to the backend under a deadline of ours. `end` is notified by the deadline, or when the call is ended;
 * `isSettled` says whether the backend itself has settled, that is, whether the store can no longer act on it.
 */
export class StoreCall<T = unknown> implements CallContext, TimerEntry {
  dueAt = 0;
  heapIndex = -1;
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Monotonic time. */
  readonly startedAt: number;
  isSettled = false;
  #calls: StoreCalls | null;
  readonly #lockName: string | null;
  readonly #end: CallEnd<T>;
  #ended: { readonly reason: unknown } | null = null;
  #controller: AbortController | null = null;
  #failure: unknown = null;
  /** What is to be reported of the call; null where nobody listens. */
  readonly #observed: Observed | null;
  #onSettled: ((failure: unknown) => void) | null = null;

  constructor(
    calls: StoreCalls,
    observed: Observed | null,
    lockName: string | null,
    timeoutMs: number,
    end: CallEnd<T>,
    startedAt: number,
  ) {
    this.#observed = observed;
    this.#calls = calls;
    this.#lockName = lockName;
    this.timeoutMs = timeoutMs;
    this.clock = calls.clock;
    this.startedAt = startedAt;
    this.#end = end;
  }

  /** Made on demand: most calls are answered before anybody asks. */
  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#ended !== null) this.#controller.abort(this.#ended.reason);
    }
    return this.#controller.signal;
  }

  get isEnded(): boolean {
    return this.#ended !== null;
  }

  /** Stops waiting: the call has failed with `reason` unless it has ended. The backend is notified by `signal`. */
  end(reason: unknown, outcome: 'unanswered' | 'ended' = 'ended'): void {
    const calls = this.#calls;
    if (!this.#finish()) {
      this.#end.unwanted?.();
      return;
    }
    if (this.#observed !== null) calls?.tell(this.#observed, outcome, outcome === 'unanswered' ? reason : null);
    this.#ended = { reason };
    this.#end.failed(reason, this);
    this.#controller?.abort(reason);
  }

  /** Runs `then` when the backend has settled: at once if it has. `failure` is what the backend rejected with, or null. */
  onSettled(then: (failure: unknown) => void): void {
    if (this.isSettled) then(this.#failure);
    else this.#onSettled = then;
  }

  onDue(): void {
    const calls = this.#calls;
    if (calls === null) return;
    // When the event loop has stood still, the answer may be there already, behind this timer: one more turn lets the answer in.
    calls.clock.setTimer(0, () => {
      if (this.#calls !== null) this.end(calls.unanswered(this.#lockName, this.timeoutMs), 'unanswered');
    });
  }

  /** To be called when the backend has answered. */
  answer(value: T): void {
    this.isSettled = true;
    if (this.#onSettled !== null) this.#settle(this.#onSettled);
    const calls = this.#calls;
    if (calls === null || !this.#finish()) return;
    if (this.#observed !== null) calls.tell(this.#observed, 'answered', null);
    try {
      this.#end.answered(value);
    } catch (error) {
      this.#end.failed(calls.wrap(error, this.#lockName), this);
    }
  }

  /** To be called when the backend has rejected. */
  fail(error: unknown): void {
    this.#failure = error;
    this.isSettled = true;
    if (this.#onSettled !== null) this.#settle(this.#onSettled);
    const calls = this.#calls;
    if (calls === null || !this.#finish()) return;
    const wrapped = calls.wrap(error, this.#lockName);
    if (this.#observed !== null) calls.tell(this.#observed, 'failed', wrapped);
    this.#end.failed(wrapped, this);
  }

  #settle(then: (failure: unknown) => void): void {
    this.#onSettled = null;
    then(this.#failure);
  }

  #finish(): boolean {
    const calls = this.#calls;
    if (calls === null) return false;
    this.#calls = null;
    calls.timers.remove(this);
    const { keepAlive } = calls;
    keepAlive.pending -= 1;
    if (keepAlive.pending === 0 && keepAlive.stays === 'until-end') keepAlive.letGo();
    return true;
  }
}

/** When a call began, where that is known, and how long it may take in all. */
export interface CallTimes {
  readonly startedAt?: number;
  /** When ours differs from what one command may take: a wait in a native queue has none. */
  readonly deadlineMs?: number;
}

/** A call that an observer listens for. */
interface Observed {
  readonly operation: StoreOperation;
  readonly requests: number;
  readonly plans: readonly { readonly plan: HoldPlan }[];
  readonly startedAt: number;
}

/** Makes every call to the backend: each under its own deadline, each failure reported as one of our errors. */
export class StoreCalls {
  readonly clock: Clock;
  readonly timers: TimerQueue;
  readonly keepAlive: KeepAlive;
  readonly backend: string;
  readonly commandTimeoutMs: number;
  readonly #store: Pick<LockBackend, 'driver'>;
  readonly #events: EventSource;

  constructor(backend: LockBackend, clock: Clock, timers: TimerQueue, keepAlive: KeepAlive, commandTimeoutMs: number, events: EventSource) {
    this.#events = events;
    this.backend = backend.name;
    this.#store = backend;
    this.clock = clock;
    this.timers = timers;
    this.keepAlive = keepAlive;
    this.commandTimeoutMs = commandTimeoutMs;
  }

  /** Both readings of the clock. */
  stamp(): Stamp {
    return { now: this.clock.now(), wall: this.clock.wall() };
  }

  /**
   * Starts a call. It fails with one of our errors or with what ended it.
   *
   * @param requests the holds that it carries, or how many names
   */
  start<T>(
    operation: StoreOperation,
    requests: number | readonly { readonly plan: HoldPlan }[],
    lockName: string | null,
    timeoutMs: number,
    invoke: (call: CallContext) => Promise<T>,
    end: CallEnd<T>,
    { deadlineMs = timeoutMs, startedAt = this.clock.now() }: CallTimes = {},
  ): StoreCall<T> {
    const observed = callChannel.hasSubscribers ? observe(operation, requests, startedAt) : null;
    const call = new StoreCall<T>(this, observed, lockName, timeoutMs, end, startedAt);
    const { keepAlive } = this;
    keepAlive.pending += 1;
    if (keepAlive.stays === 'not') keepAlive.keep();
    this.timers.set(call, startedAt + deadlineMs);
    // One call serves many callers, and what it opens outlives them.
    nobodysContext.runInAsyncScope(begin<T>, undefined, call, invoke);
    return call;
  }

  /** A call whose outcome needs no clean-up. */
  run<T>(
    operation: StoreOperation,
    requests: number | readonly { readonly plan: HoldPlan }[],
    lockName: string | null,
    invoke: (call: CallContext) => Promise<T>,
    timeoutMs = this.commandTimeoutMs,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      this.start(operation, requests, lockName, timeoutMs, invoke, { answered: resolve, failed: reject });
    });
  }

  /** Reports how a call has settled. One call serves many callers: in none of their contexts. */
  tell({ operation, requests, plans, startedAt }: Observed, outcome: StoreCallEvent['outcome'], error: unknown): void {
    const durationMs = Math.max(0, this.clock.now() - startedAt);
    const requestIds = plans.map(({ plan }) => requestIdOf(this.#events.managerId, plan));
    const code: { readonly code?: LockErrorCode } = isLockError(error) ? { code: error.code } : {};
    nobodysContext.runInAsyncScope(() =>
      this.#events.emitCall({ type: 'store-call', operation, durationMs, outcome, requests, requestIds, ...code }),
    );
  }

  /** A backend should throw our errors; any other error means that the store was not reached. */
  wrap(error: unknown, lockName: string | null): AnyLockError {
    if (isLockError(error)) return error;
    const message = error instanceof Error ? error.message : 'unknown failure';
    return this.#failure(`the ${this.backend} backend failed: ${message}`, lockName, error);
  }

  /** What a call that ran out of time is rejected with. */
  unanswered(lockName: string | null, timeoutMs: number): LockUnavailableError {
    return this.#failure(`the ${this.backend} backend did not answer within ${timeoutMs} ms`, lockName);
  }

  #failure(message: string, lockName: string | null, cause?: unknown): LockUnavailableError {
    return new LockUnavailableError(message, { backend: this.backend, driver: this.#store.driver, lockName, cause });
  }
}

function begin<T>(call: StoreCall<T>, invoke: (call: CallContext) => Promise<T>): void {
  let promise: Promise<T>;
  try {
    // A backend in plain JavaScript may answer without a promise.
    promise = Promise.resolve(invoke(call));
  } catch (error) {
    promise = Promise.reject(error);
  }
  promise.then(
    (value) => call.answer(value),
    (error: unknown) => call.fail(error),
  );
}

function observe(operation: StoreOperation, requests: number | readonly { readonly plan: HoldPlan }[], startedAt: number): Observed {
  const plans = typeof requests === 'number' ? [] : requests;
  return { operation, requests: typeof requests === 'number' ? requests : requests.length, plans, startedAt };
}
