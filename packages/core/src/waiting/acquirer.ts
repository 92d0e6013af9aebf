import { callerContext } from '../async-context.js';
import type { HoldPlan } from '../hold/hold-plan.js';
import type { Hold } from '../hold/hold.js';
import type { Asked, Busy } from '../hold/asker.js';
import { isRetryable } from '../store/is-for-good.js';
import { type AnyLockError, isLockError, LockClosedError } from '../errors.js';
import type { EventSource } from '../events.js';
import { HolderLook } from './holder-look.js';
import { NameQueue, type QueueServices } from './name-queue.js';
import { RetryRhythm } from './retry-rhythm.js';
import type { WaitLimits } from './wait.js';

type Services = Omit<QueueServices, 'rhythm' | 'isAsked' | 'onContended' | 'onGranted' | 'onRefused' | 'onEmpty'>;
type Outcome = 'busy' | 'timeout' | 'aborted' | 'unavailable' | 'closed';

/** All ways of taking a hold: once, waiting, and several at once. */
export class Acquirer {
  readonly #services: QueueServices;
  readonly #events: EventSource;
  readonly #queues = new Map<string, NameQueue>();
  readonly #pending = new Set<Asked<unknown>>();
  /** By key: the request of the one that found nobody in front. */
  readonly #first = new Map<string, { readonly name: string; readonly request: Asked<unknown> }>();
  #isClosed = false;

  constructor(services: Services, events: EventSource) {
    this.#events = events;
    const waitedMs = (joinedAt: number): number => this.#waitedMs(joinedAt);
    this.#services = {
      ...services,
      rhythm: new RetryRhythm(services.backend, services.calls.clock),
      onContended: ({ plan, context }) => {
        plan.wasContended = true;
        if (events.has('waiting')) context.runInAsyncScope(() => events.emit(plan, { type: 'waiting' }));
      },
      onGranted: ({ plan, joinedAt, state, context }, hold) => {
        plan.wasContended = state.isContended;
        if (events.has('granted')) context.runInAsyncScope(() => this.#announceGrant(hold, waitedMs(joinedAt)));
      },
      onRefused: ({ plan, joinedAt, context }, error) => {
        if (events.has('not-granted'))
          context.runInAsyncScope(() => this.#announceRefusal(plan, waitedMs(joinedAt), outcomeOf(error), error));
      },
      isAsked: (key) => this.#first.has(key),
      onEmpty: ({ key }) => this.#queues.delete(key),
    };
    services.holds.onRelease(({ plan }) => this.#queues.get(plan.key)?.follow() ?? null);
    services.holds.onEnd(({ plan }) => {
      if (this.#queues.size > 0) this.#queues.get(plan.key)?.holdEnded();
    });
  }

  /**
   * Waits for the hold; rejects with what ended the wait.
   *
   * @throws the reason of a signal that has been aborted already
   */
  acquire(plan: HoldPlan, limits: WaitLimits): Promise<Hold> {
    limits.signal?.throwIfAborted();
    if (limits.waitMs === 0) return this.#acquireOnce(plan, limits);
    return this.#mayAskFirst(plan, limits) ? this.#askFirst(plan, limits) : this.#queueFor(plan).join(plan, limits);
  }

  /** Asks once, past the local queue. null is "busy". */
  async tryOne(plan: HoldPlan, signal: AbortSignal | undefined): Promise<Hold | null> {
    const [hold = null] = await this.tryMany([plan], signal);
    return hold;
  }

  /** Asks once for several in one call. Rejects, holding nothing, when any answer is unknown. */
  async tryMany(
    plans: readonly HoldPlan[],
    signal: AbortSignal | undefined,
    {
      atMostMs,
      isFirstOfWait = false,
    }: { readonly atMostMs?: number /** A wait may follow: "busy" and an outage are no end. */; readonly isFirstOfWait?: boolean } = {},
  ): Promise<readonly (Hold | null)[]> {
    signal?.throwIfAborted();
    if (this.#isClosed) throw this.#closedError(null);
    if (plans.length === 0) return [];
    const startedAt = this.#services.calls.clock.now();
    const request = this.#services.asker.ask(plans, callerContext(), atMostMs);
    const onAbort = (): void => request.end(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#pending.add(request);
    let outcomes: readonly (Hold | Busy)[];
    try {
      outcomes = await request.result;
      // Ended when it had been answered: what was granted has been given back.
      signal?.throwIfAborted();
      if (this.#isClosed) throw this.#closedError(null);
    } catch (error) {
      if (!isFirstOfWait || !isRetryable(error)) this.refused(plans, startedAt, error);
      throw error;
    } finally {
      this.#pending.delete(request);
      signal?.removeEventListener('abort', onAbort);
    }
    return outcomes.map((outcome, index) => {
      if ('plan' in outcome) {
        this.#announceGrant(outcome, this.#waitedMs(startedAt));
        return outcome;
      }
      const plan = plans[index];
      if (plan !== undefined && !isFirstOfWait) this.#announceRefusal(plan, this.#waitedMs(startedAt), 'busy');
      return null;
    });
  }

  /** Reports that none of these was granted. */
  refused(plans: readonly HoldPlan[], startedAt: number, error: unknown): void {
    for (const plan of plans) this.#announceRefusal(plan, this.#waitedMs(startedAt), outcomeOf(error), error);
  }

  /** Rejects all that wait with LOCK_CLOSED, and frees what is under way. */
  close(): void {
    this.#isClosed = true;
    for (const queue of [...this.#queues.values()]) {
      // From the last to the first, so that none is promoted only to be ended.
      for (const wait of [...queue.waits].reverse()) queue.end(wait, this.#closedError(wait.plan.name));
    }
    for (const { name, request } of this.#first.values()) request.end(this.#closedError(name));
    for (const request of this.#pending) request.end(this.#closedError(null));
  }

  /** Where nobody waits, the first request needs no wait: its own deadline ends it soon enough. */
  #mayAskFirst({ key, ttlMs }: HoldPlan, { waitMs, signal }: WaitLimits): boolean {
    const { backend, calls, holds } = this.#services;
    return (
      signal === undefined &&
      (backend.wait === undefined || !backend.capabilities.fair) &&
      waitMs >= Math.min(calls.commandTimeoutMs, ttlMs) &&
      // Before the other looks: this one may report a loss, and the one who hears of the loss may ask for the same name meanwhile.
      !holds.holdsExclusively(key) &&
      !this.#first.has(key) &&
      !this.#queues.has(key)
    );
  }

  /** Others of this manager stay behind the request until its answer. What was not granted goes on as a wait, in front of them. */
  #askFirst(plan: HoldPlan, limits: WaitLimits): Promise<Hold> {
    const { asker, calls } = this.#services;
    const { key, name } = plan;
    const context = callerContext();
    const request: Asked<Hold> = asker.ask<Hold>([plan], context, calls.commandTimeoutMs, {
      answered: ([outcome = { remainingMs: null }]) => {
        this.#first.delete(key);
        if (!('plan' in outcome)) return this.#queueFor(plan).join(plan, limits, { joinedAt: request.startedAt, context, outcome });
        if (this.#events.has('granted')) context.runInAsyncScope(() => this.#announceGrant(outcome, this.#waitedMs(request.startedAt)));
        if (this.#queues.size > 0) this.#queues.get(key)?.firstEnded();
        return outcome;
      },
      failed: (error) => {
        this.#first.delete(key);
        if (!this.#isClosed)
          return this.#queueFor(plan).join(plan, limits, { joinedAt: request.startedAt, context, error: error as AnyLockError });
        if (this.#events.has('not-granted')) context.runInAsyncScope(() => this.refused([plan], request.startedAt, error));
        return null;
      },
    });
    this.#first.set(key, { name, request });
    return request.result;
  }

  #queueFor(plan: HoldPlan): NameQueue {
    let queue = this.#queues.get(plan.key);
    if (queue === undefined) {
      queue = new NameQueue(plan, this.#services);
      this.#queues.set(plan.key, queue);
    }
    return queue;
  }

  async #acquireOnce(plan: HoldPlan, { waitMs, signal }: WaitLimits): Promise<Hold> {
    const startedAt = this.#services.calls.clock.now();
    const [hold = null] = await this.tryMany([plan], signal, { isFirstOfWait: true }).catch((error: unknown) => {
      if (isRetryable(error)) this.refused([plan], startedAt, error);
      throw error;
    });
    if (hold !== null) return hold;
    const { backend, calls } = this.#services;
    const look = new HolderLook(plan, backend, calls);
    const error = look.timeoutError(waitMs, 0, (await look.holders(HolderLook.PATIENCE_MS)) ?? []);
    plan.wasContended = true;
    this.#announceRefusal(plan, 0, 'timeout', error);
    throw error;
  }

  #closedError(lockName: string | null): LockClosedError {
    const waited = lockName === null ? '' : ` while ${JSON.stringify(lockName)} was waited for`;
    return new LockClosedError(`the lock manager was closed${waited}`, { backend: this.#services.backend.name, lockName });
  }

  #waitedMs(since: number): number {
    return Math.max(0, Math.round(this.#services.calls.clock.now() - since));
  }

  #announceGrant({ plan, fencingToken }: Hold, waitedMs: number): void {
    if (this.#events.has('granted')) this.#events.emit(plan, { type: 'granted', waitedMs, fencingToken });
  }

  #announceRefusal(plan: HoldPlan, waitedMs: number, outcome: Outcome, error?: unknown): void {
    if (outcome === 'busy') plan.wasContended = true;
    if (!this.#events.has('not-granted')) return;
    this.#events.emit(plan, { type: 'not-granted', waitedMs, outcome, ...(error === undefined ? {} : { error }) });
  }
}

function outcomeOf(error: unknown): Outcome {
  if (isLockError(error, 'LOCK_TIMEOUT')) return 'timeout';
  if (isLockError(error, 'LOCK_CLOSED')) return 'closed';
  return isLockError(error) ? 'unavailable' : 'aborted';
}
