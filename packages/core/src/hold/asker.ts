import type { CallerContext } from '../async-context.js';
import type { Answer, HoldRequest, LockBackend, Stamp } from '../contract/backend.js';
import { LockUnavailableError } from '../errors.js';
import { newOwnerToken } from '../store/owner-token.js';
import { elapsedSince } from '../store/stamp.js';
import type { CallEnd, StoreCall, StoreCalls } from '../store/store-calls.js';
import { wasNeverSent } from '../store/was-never-sent.js';
import type { Follower } from './follower.js';
import type { Hold } from './hold.js';
import type { HoldPlan } from './hold-plan.js';
import type { HoldRunner } from './hold-runner.js';

type Grant = Extract<Answer, { granted: true }>;

/** Somebody else has the hold. */
export interface Busy {
  readonly remainingMs: number | null;
}

/** One request under way. */
export interface Asked<T> {
  readonly result: Promise<T>;
  /** Monotonic time. */
  readonly startedAt: number;
  /**
   * Ends the request: `result` rejects with `reason`, and whatever the store makes of the request is freed. Also what the store has
   * granted already, which `result` then reports all the same: for the caller that waits for `result`, before the grant is used.
   */
  end(reason: unknown): void;
}

/** Asks the store for holds. No outcome leaves a hold that nobody knows. */
export class Asker {
  readonly #backend: LockBackend;
  readonly #calls: StoreCalls;
  readonly #holds: HoldRunner;

  constructor(backend: LockBackend, calls: StoreCalls, holds: HoldRunner) {
    this.#backend = backend;
    this.#calls = calls;
    this.#holds = holds;
  }

  /** Asks with the release of the hold in front, which carries the request to the store. */
  follow(plan: HoldPlan, context: CallerContext): Asked<readonly (Hold | Busy)[]> & { readonly follower: Follower } {
    let follower!: Follower;
    const asked = this.ask([plan], context, this.#calls.commandTimeoutMs, null, (requests) => {
      return new Promise((resolve, reject) => {
        const request = requests[0] as HoldRequest;
        follower = { request, answered: (answer) => resolve([answer ?? { granted: false, remainingMs: null }]), failed: reject };
      });
    });
    return { result: asked.result, startedAt: asked.startedAt, end: (reason) => asked.end(reason), follower };
  }

  /**
   * Asks for all in one call: all are answered, or nothing is held.
   *
   * @param end what is done with the outcomes in the moment in which they are known
   * @param send how the requests get to the store, where not by an attempt of their own
   */
  ask<R = readonly (Hold | Busy)[]>(
    plans: readonly HoldPlan[],
    context: CallerContext,
    atMostMs = this.#calls.commandTimeoutMs,
    end: CallEnd<readonly (Hold | Busy)[], R> | null = null,
    send: ((requests: readonly HoldRequest[]) => Promise<readonly Answer[]>) | null = null,
  ): Asked<R> {
    const holds = plans.map((plan) => this.#holds.create(newOwnerToken(), plan, context));
    // A grant that comes after its own deadline is of no use.
    let timeoutMs = Math.min(atMostMs, this.#calls.commandTimeoutMs);
    for (const { ttlMs } of plans) timeoutMs = Math.min(timeoutMs, ttlMs);
    const stamp = this.#calls.stamp();
    const call: StoreCall<readonly Answer[], R> = this.#calls.start(
      'attempt',
      holds,
      plans.length === 1 ? (plans[0]?.name ?? null) : null,
      timeoutMs,
      (store) => {
        const requests = holds.map(({ request }) => request);
        return send === null ? this.#backend.attempt(requests, store) : send(requests);
      },
      {
        answered: (answers) => {
          const outcomes = this.#answered(holds, answers, stamp);
          if (!(outcomes instanceof LockUnavailableError)) return end === null ? (outcomes as R) : end.answered(outcomes);
          const instead = end?.failed(outcomes) ?? null;
          if (instead === null) throw outcomes;
          return instead;
        },
        failed: (error) => {
          this.doubt(holds, call, error);
          return end?.failed(error) ?? null;
        },
        unwanted: () => this.giveBack(holds),
      },
      { startedAt: stamp.now },
    );
    return call;
  }

  /** Stands in the backend's own queue. @param onQueued called when others are in front, by a backend that reports it */
  stand(plan: HoldPlan, context: CallerContext, onQueued: () => void): Asked<Hold> {
    const hold = this.#holds.create(newOwnerToken(), plan, context);
    const call: StoreCall<Grant, Hold> = this.#calls.start(
      'wait',
      [hold],
      plan.name,
      this.#calls.commandTimeoutMs,
      (store) => {
        if (this.#backend.wait === undefined) throw new LockUnavailableError('the backend has no queue', { backend: this.#backend.name });
        return this.#backend.wait(hold.request, {
          timeoutMs: store.timeoutMs,
          clock: store.clock,
          onQueued,
          get signal() {
            return store.signal;
          },
        });
      },
      {
        answered: ({ fencingToken, stamp, forMs }) =>
          stamp === undefined ? this.#confirm(hold, fencingToken) : this.#adopt(hold, fencingToken, stamp, forMs),
        // Ended by its caller, or failed behind an earlier request: a place in the queue may stand.
        failed: (error) => {
          this.doubt([hold], call, error);
          return null;
        },
        unwanted: () => this.giveBack([hold]),
      },
      { deadlineMs: Number.POSITIVE_INFINITY },
    );
    return call;
  }

  /** Frees what nobody wants any more. */
  giveBack(holds: readonly Hold[]): void {
    for (const hold of holds) {
      // A grant that is about to be confirmed: a renewal that comes after the release finds nothing.
      this.#holds.dispatch(hold, hold.state.at === 'asking' ? { type: 'unanswered', isSettled: true } : { type: 'unused' });
    }
  }

  /** Frees what a request may have left that failed with `error`, or was ended: nothing if the request was never sent, which may be known only later. */
  doubt(holds: readonly Hold[], call: Pick<StoreCall<unknown>, 'isSettled' | 'onSettled'>, error: unknown): void {
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

  /** @returns the problem that leaves the caller with nothing, or the outcomes */
  #answered(holds: readonly Hold[], answers: readonly Answer[], stamp: Stamp): readonly (Hold | Busy)[] | LockUnavailableError {
    let problem: LockUnavailableError | null = null;
    const now = this.#calls.stamp();
    const outcomes = holds.map((hold, index): Hold | Busy => {
      const answer = answers[index];
      if (answer?.granted === true) {
        const asked = answer.stamp ?? stamp;
        if (!this.#holds.granted(hold, answer.fencingToken, asked, answer.forMs, now)) problem ??= this.#tooLate(hold.plan, asked);
        return hold;
      }
      if (answer === undefined) {
        problem ??= this.#missing(hold.plan);
        this.#holds.dispatch(hold, { type: 'unanswered', isSettled: true });
        return { remainingMs: null };
      }
      this.#holds.dispatch(hold, answer.isFinal === false ? { type: 'unanswered', isSettled: true } : { type: 'refused' });
      return answer;
    });
    if (problem === null) return outcomes;
    // One that is not known to be held leaves the caller with nothing.
    for (const hold of holds) this.#holds.dispatch(hold, { type: 'unused' });
    return problem;
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
    return this.#adopt(hold, fencingToken, stamp);
  }

  #adopt(hold: Hold, fencingToken: bigint | null, stamp: Stamp, forMs?: number): Hold {
    if (this.#holds.granted(hold, fencingToken, stamp, forMs)) return hold;
    throw this.#tooLate(hold.plan, stamp);
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
