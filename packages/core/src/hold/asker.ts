import { AsyncResource } from 'node:async_hooks';
import { type CallerContext, CONTEXT } from '../async-context.js';
import type { Answer, HoldRequest, LockBackend, Stamp } from '../contract/backend.js';
import { type AnyLockError, LockUnavailableError } from '../errors.js';
import type { EventSource } from '../events.js';
import { elapsedSince } from '../time/stamp.js';
import type { StoreCall, StoreCalls } from '../calls/store-calls.js';
import { wasNeverSent } from '../calls/was-never-sent.js';
import type { Follower } from './follower.js';
import { Hold } from './hold.js';
import type { HoldPlan, WaitLimits } from './hold-plan.js';
import { QueueCall } from './queue-call.js';
import type { HoldRunner } from './hold-runner.js';

type Grant = Extract<Answer, { granted: true }>;
/** What a request has brought, or why that is not known. */
type Outcome = { readonly outcomes: readonly (Hold | Busy)[] } | { readonly error: unknown };
type Send = (requests: readonly HoldRequest[]) => Promise<readonly Answer[]>;

/** Somebody else has the hold. */
export interface Busy {
  readonly remainingMs: number | null;
}

/** Nothing is known of the holder. */
const NOT_ANSWERED: Busy = { remainingMs: null };

/** One request under way. */
export interface Asked<T> {
  readonly result: Promise<T>;
  /**
   * Ends the request: `result` rejects with `reason`, and whatever the store makes of the request is freed. Also what the store has
   * granted already, which `result` then reports anyway: for the caller that waits for `result`, before the grant is used.
   */
  end(reason: unknown): void;
}

/** What the request has brought that found nobody in front. */
export type Begun = { readonly joinedAt: number; readonly context: CallerContext } & (
  | { readonly outcome: Busy }
  | { readonly error: AnyLockError }
);

/** Those of this manager that wait, as the one who finds nobody in front knows them. */
export interface Waiters {
  /** By key: where somebody waits. */
  readonly queues: ReadonlyMap<string, unknown>;
  /** Whether it is the turn of other managers; null where the store sees to the turns. */
  readonly mustPause: ((key: string) => boolean) | null;
  /** Goes on as a wait, in front of all others. */
  join(plan: HoldPlan, limits: WaitLimits, begun: Begun): Promise<Hold>;
  /** Was granted without a wait, and somebody listens or waits. */
  granted(hold: Hold, context: CallerContext, startedAt: number): void;
}

/** Asks the store for holds. No outcome leaves a hold that nobody knows. */
export class Asker {
  readonly #backend: LockBackend;
  readonly #calls: StoreCalls;
  readonly #holds: HoldRunner;
  readonly #events: EventSource;
  readonly #standsAtOnce: boolean;
  /** By key: the request of the one that found nobody in front. Others of this manager stay behind it until its answer. */
  readonly first = new Map<string, { readonly name: string; readonly request: StoreCall }>();
  #waiters: Waiters | null = null;

  constructor(backend: LockBackend, calls: StoreCalls, holds: HoldRunner, events: EventSource) {
    this.#backend = backend;
    this.#calls = calls;
    this.#holds = holds;
    this.#events = events;
    this.#standsAtOnce = backend.wait !== undefined && backend.capabilities.fair;
  }

  /** To be called once, before anything is asked. */
  putInFrontOf(waiters: Waiters): void {
    this.#waiters = waiters;
  }

  /**
   * Asks without a wait, where nobody waits and the request's own deadline ends it soon enough. What was not granted goes on as a wait.
   *
   * @returns null where it has to be a wait from the beginning
   */
  askFirst(plan: HoldPlan, limits: WaitLimits): Promise<Hold> | null {
    const { key, ttlMs } = plan;
    const waiters = this.#waiters;
    if (waiters === null || this.#standsAtOnce || limits.signal !== undefined) return null;
    if (limits.waitMs < Math.min(this.#calls.commandTimeoutMs, ttlMs)) return null;
    // Before the other looks: this one may report a loss, and the one who hears of the loss may ask for the same name meanwhile.
    if (this.#holds.holdsExclusively(key) || this.first.has(key) || waiters.queues.has(key)) return null;
    if (waiters.mustPause?.(key) === true) return null;
    const context = new AsyncResource(CONTEXT);
    return new Promise((resolve) => {
      const request = this.ask([plan], context, this.#calls.commandTimeoutMs, (answer) => {
        this.first.delete(key);
        const joinedAt = request.startedAt;
        if ('error' in answer) {
          resolve(waiters.join(plan, limits, { joinedAt, context, error: answer.error as AnyLockError }));
          return;
        }
        const [outcome = NOT_ANSWERED] = answer.outcomes;
        if (!('plan' in outcome)) {
          resolve(waiters.join(plan, limits, { joinedAt, context, outcome }));
          return;
        }
        if (waiters.queues.size > 0 || this.#events.heard.granted.hasSubscribers) waiters.granted(outcome, context, joinedAt);
        resolve(outcome);
      });
      this.first.set(key, { name: plan.name, request });
    });
  }

  /** Asks with the release of the hold in front, which carries the request to the store. */
  follow(plan: HoldPlan, context: CallerContext): { readonly asked: Asked<readonly (Hold | Busy)[]>; readonly follower: Follower } {
    let follower!: Follower;
    const asked = this.request([plan], context, this.#calls.commandTimeoutMs, (requests) => {
      return new Promise((resolve, reject) => {
        const request = requests[0] as HoldRequest;
        follower = { request, answered: (answer) => resolve([answer ?? { granted: false, remainingMs: null }]), failed: reject };
      });
    });
    return { asked, follower };
  }

  /** As `ask`, with a promise of the outcomes. */
  request(
    plans: readonly HoldPlan[],
    context: CallerContext,
    atMostMs = this.#calls.commandTimeoutMs,
    send: Send | null = null,
  ): Asked<readonly (Hold | Busy)[]> {
    let call!: StoreCall;
    const result = new Promise<readonly (Hold | Busy)[]>((resolve, reject) => {
      const heard = (answer: Outcome): void => ('error' in answer ? reject(answer.error) : resolve(answer.outcomes));
      call = this.ask(plans, context, atMostMs, heard, send);
    });
    return { result, end: (reason) => call.end(reason) };
  }

  /**
   * Asks for all in one call: all are answered, or nothing is held.
   *
   * @param heard called in the moment in which the outcome is known
   * @param send how the requests get to the store, where not by an attempt of their own
   */
  ask(
    plans: readonly HoldPlan[],
    context: CallerContext,
    atMostMs: number,
    heard: (answer: Outcome) => void,
    send: Send | null = null,
  ): StoreCall {
    const holds = plans.map((plan) => new Hold(plan, this.#holds, context));
    const requests = holds.map(({ request }) => request);
    // A grant that comes after its own deadline is of no use.
    let timeoutMs = Math.min(atMostMs, this.#calls.commandTimeoutMs);
    for (const { ttlMs } of plans) timeoutMs = Math.min(timeoutMs, ttlMs);
    const stamp = this.#calls.stamp();
    return this.#calls.start<readonly Answer[]>(
      'attempt',
      holds,
      plans.length === 1 ? (plans[0]?.name ?? null) : null,
      timeoutMs,
      (store) => (send === null ? this.#backend.attempt(requests, store) : send(requests)),
      {
        answered: (answers) => {
          let problem: LockUnavailableError | null = null;
          const now = this.#calls.stamp();
          const outcomes: (Hold | Busy)[] = [];
          for (const [index, hold] of holds.entries()) {
            const answer = answers[index] ?? null;
            if (answer?.granted === true) {
              const { fencingToken, stamp: asked = stamp, forMs } = answer;
              const { at } = this.#holds.dispatch(hold, { type: 'granted', fencingToken, stamp: asked, forMs }, now);
              if (at !== 'held') problem ??= this.#tooLate(hold.plan, asked);
              outcomes.push(hold);
              continue;
            }
            if (answer === null) problem ??= this.#missing(hold.plan);
            const isFinal = answer !== null && answer.isFinal !== false;
            this.#holds.dispatch(hold, isFinal ? { type: 'refused' } : { type: 'unanswered', isSettled: true });
            outcomes.push(answer ?? NOT_ANSWERED);
          }
          if (problem === null) {
            heard({ outcomes });
            return;
          }
          // One that is not known to be held leaves the caller with nothing.
          for (const hold of holds) this.#holds.dispatch(hold, { type: 'unused' });
          heard({ error: problem });
        },
        failed: (error, call) => {
          this.doubt(holds, call, error);
          heard({ error });
        },
        unwanted: () => this.giveBack(holds),
      },
      { startedAt: stamp.now },
    );
  }

  /** Stands in the backend's own queue. @param onQueued called when others are in front, by a backend that reports it */
  stand(plan: HoldPlan, context: CallerContext, onQueued: () => void): Asked<Hold> {
    const hold = new Hold(plan, this.#holds, context);
    let call!: StoreCall<Grant>;
    const result = new Promise<Hold>((resolve, reject) => {
      call = this.#calls.start(
        'wait',
        [hold],
        plan.name,
        this.#calls.commandTimeoutMs,
        (store) => {
          if (this.#backend.wait === undefined) throw new LockUnavailableError('the backend has no queue', { backend: this.#backend.name });
          return this.#backend.wait(hold.request, new QueueCall(store, onQueued));
        },
        {
          answered: ({ fencingToken, stamp, forMs }) => {
            if (stamp === undefined) {
              resolve(this.#confirm(hold, fencingToken));
              return;
            }
            const { at } = this.#holds.dispatch(hold, { type: 'granted', fencingToken, stamp, forMs });
            if (at === 'held') resolve(hold);
            else reject(this.#tooLate(plan, stamp));
          },
          // Ended by its caller, or failed behind an earlier request: a place in the queue may stand.
          failed: (error, doubtful) => {
            this.doubt([hold], doubtful, error);
            reject(error);
          },
          unwanted: () => this.giveBack([hold]),
        },
        { deadlineMs: Number.POSITIVE_INFINITY },
      );
    });
    return { result, end: (reason) => call.end(reason) };
  }

  /** Frees what nobody wants any more. */
  giveBack(holds: readonly Hold[]): void {
    for (const hold of holds) {
      // A grant that is about to be confirmed: a renewal that comes after the release finds nothing.
      this.#holds.dispatch(hold, hold.state.at === 'asking' ? { type: 'unanswered', isSettled: true } : { type: 'unused' });
    }
  }

  /** Frees what a request may have left that failed with `error`, or was ended: nothing if the request was never sent, which may be known only later. */
  doubt(holds: readonly Hold[], call: Pick<StoreCall, 'isSettled' | 'onSettled'>, error: unknown): void {
    // What a caller ends a request with says nothing of the request: it may be the error of an earlier one.
    if (call.isSettled && wasNeverSent(error, this.#backend.name)) {
      for (const hold of holds) this.#holds.dispatch(hold, { type: 'refused' });
      return;
    }
    for (const hold of holds) this.#holds.dispatch(hold, { type: 'unanswered', isSettled: call.isSettled });
    if (call.isSettled) return;
    call.onSettled((failure) => {
      const type = wasNeverSent(failure, this.#backend.name) ? 'refused' : 'settled';
      for (const hold of holds) this.#holds.dispatch(hold, { type });
    });
  }

  /** A grant out of a queue whose stamp is not known is as old as the wait: a renewal, stamped now, confirms it. */
  async #confirm(hold: Hold, fencingToken: bigint | null): Promise<Hold> {
    const { plan, request } = hold;
    const stamp = this.#calls.stamp();
    try {
      const [stands] = await this.#calls.run('renew', [hold], plan.name, (call) => this.#backend.renew([request], call));
      // Ended meanwhile by its caller, it is in doubt already.
      if (stands !== true || hold.state.at !== 'asking') throw this.#tooLate(plan, null);
    } catch (error) {
      this.#holds.dispatch(hold, { type: 'unanswered', isSettled: true });
      throw error;
    }
    const { at } = this.#holds.dispatch(hold, { type: 'granted', fencingToken, stamp, forMs: undefined });
    if (at !== 'held') throw this.#tooLate(plan, stamp);
    return hold;
  }

  #tooLate(plan: HoldPlan, asked: Stamp | null): LockUnavailableError {
    const when = asked === null ? '' : ` ${Math.round(elapsedSince(this.#calls.clock, asked))} ms after it was asked for`;
    return this.#error(plan, `was granted${when}, too late to be held safely for a ttlMs of ${plan.ttlMs}; it was freed again`);
  }

  #missing(plan: HoldPlan): LockUnavailableError {
    return this.#error(plan, `got no answer: the ${this.#backend.name} backend answered fewer requests than it was asked`);
  }

  #error(plan: HoldPlan, what: string): LockUnavailableError {
    return new LockUnavailableError(`${JSON.stringify(plan.name)} ${what}`, { backend: this.#backend.name, lockName: plan.name });
  }
}
