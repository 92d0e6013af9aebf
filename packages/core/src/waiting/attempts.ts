import type { Answer, LockBackend } from '../contract/backend.js';
import { LockUnavailableError } from '../errors.js';
import { type HoldPlan, refOf, requestOf } from '../lease/hold-plan.js';
import type { HoldRecord } from '../lease/hold-record.js';
import type { Keeper } from '../lease/keeper.js';
import type { Undoer } from '../lease/undoer.js';
import { newOwnerToken } from '../store/owner-token.js';
import { elapsedSince, stampOf } from '../store/stamp.js';
import type { StoreCall, StoreCalls } from '../store/store-calls.js';

/** Somebody else has it. */
export interface Busy {
  readonly remainingMs: number | null;
}

/** One attempt under way. */
export interface Attempt<T> {
  readonly result: Promise<T>;
  /** Ends it: `result` rejects with `reason`, and whatever the store makes of the request is freed. */
  end(reason: unknown): void;
}

/** Asks the store. Every grant is either taken into care or freed; no outcome leaves a hold that nobody knows. */
export class Attempts {
  readonly #backend: LockBackend;
  readonly #calls: StoreCalls;
  readonly #keeper: Keeper;
  readonly #undoer: Undoer;

  constructor(backend: LockBackend, calls: StoreCalls, keeper: Keeper, undoer: Undoer) {
    this.#backend = backend;
    this.#calls = calls;
    this.#keeper = keeper;
    this.#undoer = undoer;
  }

  /** Asks once. */
  one(plan: HoldPlan): Attempt<HoldRecord | Busy> {
    const all = this.many([plan]);
    return {
      result: all.result.then(([outcome]) => outcome ?? { remainingMs: null }),
      end: (reason) => {
        all.end(reason);
      },
    };
  }

  /** Asks for several in one call: all are answered, or nothing is held. */
  many(plans: readonly HoldPlan[]): Attempt<readonly (HoldRecord | Busy)[]> {
    const requests = plans.map((plan) => requestOf(plan, newOwnerToken(), this.#keeper.storeTtlMs(plan.ttlMs)));
    let timeoutMs = this.#calls.commandTimeoutMs;
    // A grant that comes after its own deadline is of no use.
    for (const plan of plans) timeoutMs = Math.min(timeoutMs, plan.ttlMs);
    const stamp = stampOf(this.#calls.clock);
    const owners = requests.map((request) => request.owner);
    const call = this.#calls.start(plans.length === 1 ? (plans[0]?.name ?? null) : null, timeoutMs, (context) =>
      this.#backend.attempt(requests, context),
    );
    const result = call.result.then(
      (answers) => this.#take(plans, owners, answers, stamp),
      (error: unknown) => {
        this.#undo(plans, owners, call);
        throw error;
      },
    );
    return { result, end: (reason) => call.end(reason) };
  }

  /** Stands in the backend's own queue. @param onQueued called when others are in front, by a backend that tells */
  queued(plan: HoldPlan, onQueued: () => void): Attempt<HoldRecord> {
    const owner = newOwnerToken();
    const request = requestOf(plan, owner, this.#keeper.storeTtlMs(plan.ttlMs));
    const call = this.#calls.start(
      plan.name,
      this.#calls.commandTimeoutMs,
      (context) => {
        if (this.#backend.wait === undefined) throw new LockUnavailableError('the backend has no queue', { backend: this.#backend.name });
        const { timeoutMs, clock } = context;
        return this.#backend.wait(request, {
          timeoutMs,
          clock,
          onQueued,
          get signal() {
            return context.signal;
          },
        });
      },
      Number.POSITIVE_INFINITY,
    );
    const result = call.result.then(
      async (answer) => {
        const [record] = this.#take([plan], [owner], [await this.#stamped(plan, owner, answer)], stampOf(this.#calls.clock));
        if (record === undefined || !('plan' in record)) throw this.#tooLate(plan);
        return record;
      },
      (error: unknown) => {
        this.#undo([plan], [owner], call);
        throw error;
      },
    );
    return { result, end: (reason) => call.end(reason) };
  }

  /** Frees a grant that nobody wants any more. */
  giveBack(record: HoldRecord): void {
    if (this.#keeper.beginRelease(record)) {
      record.state = 'released';
      this.#keeper.undo(record);
      this.#keeper.announceEnd(record);
    }
  }

  /** A grant out of a queue whose stamp is not known is as old as the wait: a renewal, stamped now, confirms it. */
  async #stamped(plan: HoldPlan, owner: string, answer: Extract<Answer, { granted: true }>): Promise<Answer> {
    if (answer.stamp !== undefined) return answer;
    const stamp = stampOf(this.#calls.clock);
    const hold = { ...refOf(plan, owner), ttlMs: this.#keeper.storeTtlMs(plan.ttlMs) };
    try {
      const [stands] = await this.#calls.run(plan.name, (context) => this.#backend.renew([hold], context));
      return stands === true ? { ...answer, stamp } : { granted: false, remainingMs: null };
    } catch (error) {
      this.#undoer.add(refOf(plan, owner), () => true, hold.ttlMs);
      throw error;
    }
  }

  #take(
    plans: readonly HoldPlan[],
    owners: readonly string[],
    answers: readonly Answer[],
    stamp: { readonly now: number; readonly wall: number },
  ): readonly (HoldRecord | Busy)[] {
    const late: LockUnavailableError[] = [];
    const outcomes = plans.map((plan, index) => {
      const answer = answers[index];
      const owner = owners[index] ?? '';
      if (answer === undefined || !answer.granted) return { remainingMs: answer?.remainingMs ?? null };
      const fencingToken = plan.mode === 'permits' ? null : answer.fencingToken;
      const record = this.#keeper.adopt(plan, owner, fencingToken, answer.stamp ?? stamp);
      if (record !== null) return record;
      this.#undoer.add(refOf(plan, owner), () => true, this.#keeper.storeTtlMs(plan.ttlMs));
      late.push(this.#tooLate(plan, elapsedSince(this.#calls.clock, answer.stamp ?? stamp)));
      return { remainingMs: null };
    });
    const [first] = late;
    if (first === undefined) return outcomes;
    for (const outcome of outcomes) if ('plan' in outcome) this.giveBack(outcome);
    throw first;
  }

  #tooLate(plan: HoldPlan, elapsedMs?: number): LockUnavailableError {
    const when = elapsedMs === undefined ? '' : ` ${Math.round(elapsedMs)} ms after it was asked for`;
    return new LockUnavailableError(`${JSON.stringify(plan.name)} was granted${when}, too late to be held safely; it was freed again`, {
      backend: this.#backend.name,
      lockName: plan.name,
    });
  }

  #undo(plans: readonly HoldPlan[], owners: readonly string[], call: Pick<StoreCall<unknown>, 'isSettled' | 'onSettled'>): void {
    for (const [index, plan] of plans.entries()) {
      this.#undoer.add(refOf(plan, owners[index] ?? ''), () => call.isSettled, this.#keeper.storeTtlMs(plan.ttlMs));
    }
    call.onSettled(() => {
      this.#undoer.poke();
    });
  }
}
