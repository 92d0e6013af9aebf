import { AsyncResource } from 'node:async_hooks';
import { type CallerContext, CONTEXT } from '../async-context.js';
import { type HoldPlan, isExclusive, type WaitLimits } from '../hold/hold-plan.js';
import type { Hold } from '../hold/hold.js';
import type { Asked, Begun, Busy, Waiters } from '../hold/asker.js';
import { isRetryable } from '../calls/is-for-good.js';
import { isReasonOf } from '../calls/is-reason-of.js';
import { isLockError, LockClosedError } from '../errors.js';
import type { EventSource } from '../events.js';
import { HolderLook } from './holder-look.js';
import { LocalTurns } from './local-turns.js';
import { NameQueue, type QueueServices } from './name-queue.js';
import { RetryRhythm } from './retry-rhythm.js';

type Services = Omit<QueueServices, 'rhythm' | 'turns' | 'onContended' | 'onGranted' | 'onRefused' | 'onEmpty'>;
type Outcome = 'busy' | 'timeout' | 'aborted' | 'unavailable' | 'closed';

/** All ways of taking a hold but the shortest (`Asker.askFirst`): once, waiting, and several at once. */
export class Acquirer implements Waiters {
  readonly #services: QueueServices;
  readonly #events: EventSource;
  /** null where the store sees to the turns of managers. */
  readonly #turns: LocalTurns | null;
  readonly mustPause: Waiters['mustPause'];
  readonly queues = new Map<string, NameQueue>();
  readonly #pending = new Set<Asked<unknown>>();
  #isClosed = false;

  constructor(services: Services, events: EventSource) {
    this.#events = events;
    const waitedMs = (joinedAt: number): number => this.#waitedMs(joinedAt);
    const { backend, calls, holds } = services;
    const turns = backend.wait === undefined ? new LocalTurns({ backend, holds, clock: calls.clock }) : null;
    this.#turns = turns;
    this.mustPause = turns && ((key) => turns.find(key)?.mustPause() === true);
    this.#services = {
      ...services,
      turns,
      rhythm: new RetryRhythm(backend, calls.clock),
      onContended: ({ plan, context }) => {
        plan.wasContended = true;
        if (events.heard.waiting.hasSubscribers) context.runInAsyncScope(() => events.emit(plan, { type: 'waiting' }));
      },
      onGranted: ({ plan, joinedAt, state, context }, hold) => {
        plan.wasContended = state.isContended;
        if (events.heard.granted.hasSubscribers) context.runInAsyncScope(() => this.#announceGrant(hold, waitedMs(joinedAt)));
      },
      onRefused: ({ plan, joinedAt, context, limits }, error) => {
        if (events.heard['not-granted'].hasSubscribers)
          context.runInAsyncScope(() => this.#announceRefusal(plan, waitedMs(joinedAt), outcomeOf(error, limits.signal), error));
      },
      onEmpty: ({ key }) => this.queues.delete(key),
    };
    services.asker.putInFrontOf(this);
    holds.onRelease(({ plan }) => {
      const queue = this.queues.get(plan.key);
      // Beside a reader or a permit others may hold the name, of which the answer to the release alone says nothing.
      return queue !== undefined && isExclusive(plan) ? queue.follow() : null;
    });
    holds.onEnd(({ plan: { key } }) => {
      const queue = this.queues.size > 0 ? this.queues.get(key) : undefined;
      if (queue === undefined) this.#turns?.find(key)?.holdEnded();
      else queue.holdEnded();
    });
  }

  /**
   * Waits for the hold, behind all who wait already; rejects with what ended the wait.
   *
   * @throws the reason of a signal that has been aborted already
   */
  acquire(plan: HoldPlan, limits: WaitLimits): Promise<Hold> {
    limits.signal?.throwIfAborted();
    if (limits.waitMs === 0) return this.#acquireOnce(plan, limits);
    return this.#queueFor(plan).join(plan, limits);
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
    const request = this.#services.asker.request(plans, new AsyncResource(CONTEXT), atMostMs);
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
      if (!isFirstOfWait || isReasonOf(signal, error) || !isRetryable(error)) this.refused(plans, startedAt, error, signal);
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

  /** Reports that none of these was granted. @param signal that of the caller, which may have ended the request */
  refused(plans: readonly HoldPlan[], startedAt: number, error: unknown, signal?: AbortSignal): void {
    for (const plan of plans) this.#announceRefusal(plan, this.#waitedMs(startedAt), outcomeOf(error, signal), error);
  }

  /** Rejects all that wait with LOCK_CLOSED, and frees what is under way. */
  close(): void {
    this.#isClosed = true;
    for (const queue of [...this.queues.values()]) {
      // From the last to the first, so that none is promoted only to be ended.
      for (const wait of [...queue.waits].reverse()) queue.end(wait, this.#closedError(wait.plan.name));
    }
    for (const { name, request } of this.#services.asker.first.values()) request.end(this.#closedError(name));
    for (const request of this.#pending) request.end(this.#closedError(null));
  }

  /** @throws what the first request has brought, where no wait may follow any more */
  join(plan: HoldPlan, limits: WaitLimits, begun: Begun): Promise<Hold> {
    if (!this.#isClosed || !('error' in begun)) return this.#queueFor(plan).join(plan, limits, begun);
    const { joinedAt, context, error } = begun;
    context.runInAsyncScope(() => this.refused([plan], joinedAt, error));
    return Promise.reject(error);
  }

  granted(hold: Hold, context: CallerContext, startedAt: number): void {
    context.runInAsyncScope(() => this.#announceGrant(hold, this.#waitedMs(startedAt)));
    // Readers and permits may have room for more.
    this.queues.get(hold.plan.key)?.wakeHead();
  }

  #queueFor(plan: HoldPlan): NameQueue {
    let queue = this.queues.get(plan.key);
    if (queue === undefined) {
      queue = new NameQueue(plan, this.#services);
      this.queues.set(plan.key, queue);
    }
    return queue;
  }

  async #acquireOnce(plan: HoldPlan, { waitMs, signal }: WaitLimits): Promise<Hold> {
    const startedAt = this.#services.calls.clock.now();
    const [hold = null] = await this.tryMany([plan], signal, { isFirstOfWait: true }).catch((error: unknown) => {
      if (!isReasonOf(signal, error) && isRetryable(error)) this.refused([plan], startedAt, error);
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

  #announceGrant({ plan, state }: Hold, waitedMs: number): void {
    const fencingToken = state.grant?.fencingToken ?? null;
    if (this.#events.heard.granted.hasSubscribers) this.#events.emit(plan, { type: 'granted', waitedMs, fencingToken });
  }

  #announceRefusal(plan: HoldPlan, waitedMs: number, outcome: Outcome, error?: unknown): void {
    if (outcome === 'busy') plan.wasContended = true;
    if (!this.#events.heard['not-granted'].hasSubscribers) return;
    this.#events.emit(plan, { type: 'not-granted', waitedMs, outcome, ...(error === undefined ? {} : { error }) });
  }
}

function outcomeOf(error: unknown, signal: AbortSignal | undefined): Outcome {
  if (isReasonOf(signal, error)) return 'aborted';
  if (isLockError(error, 'LOCK_TIMEOUT')) return 'timeout';
  if (isLockError(error, 'LOCK_CLOSED')) return 'closed';
  return isLockError(error) ? 'unavailable' : 'aborted';
}
