import type { Answer, LockBackend, Stamp } from '../contract/backend.js';
import { LockUnavailableError } from '../errors.js';
import { type HoldPlan, refOf, requestOf } from '../lease/hold-plan.js';
import type { HoldRecord } from '../lease/hold-record.js';
import type { Keeper } from '../lease/keeper.js';
import type { Leftover, Undoer } from '../lease/undoer.js';
import { newOwnerToken } from '../store/owner-token.js';
import { elapsedSince, stampOf } from '../store/stamp.js';
import type { StoreCall, StoreCalls } from '../store/store-calls.js';

type Grant = Extract<Answer, { granted: true }>;

/** Somebody else has it. */
export interface Busy {
  readonly remainingMs: number | null;
}

/** What became of a place in the backend's own queue. */
interface QueuedGrant {
  isWanted: boolean;
  isGranted: boolean;
  /** Once it is in care. */
  record: HoldRecord | null;
}

/** One attempt under way. */
export interface Attempt<T> {
  readonly result: Promise<T>;
  /**
   * Ends it: `result` rejects with `reason`, and whatever the store makes of the request is freed. Also what it has granted, which
   * `result` then tells all the same: to be called by whoever waits for it, and not after it was put to use.
   */
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
    const owner = newOwnerToken();
    const requests = [requestOf(plan, owner, this.#keeper.storeTtlMs(plan.ttlMs))];
    const stamp = stampOf(this.#calls.clock);
    let taken: HoldRecord | null = null;
    const call: StoreCall<readonly Answer[], HoldRecord | Busy> = this.#calls.start(
      plan.name,
      // A grant that comes after its own deadline is of no use.
      Math.min(this.#calls.commandTimeoutMs, plan.ttlMs),
      (context) => this.#backend.attempt(requests, context),
      {
        answered: ([answer]) => {
          const outcome = this.#take(plan, owner, answer, stamp);
          if (outcome instanceof LockUnavailableError) throw outcome;
          if ('plan' in outcome) taken = outcome;
          return outcome;
        },
        failed: (error) => {
          this.#undoer.addAttempt([this.#leftOf(plan, owner)], call, error);
        },
        unwanted: () => {
          if (taken !== null) this.giveBack(taken);
        },
      },
    );
    return call;
  }

  /** Asks for several in one call: all are answered, or nothing is held. */
  many(plans: readonly HoldPlan[]): Attempt<readonly (HoldRecord | Busy)[]> {
    const requests = plans.map((plan) => requestOf(plan, newOwnerToken(), this.#keeper.storeTtlMs(plan.ttlMs)));
    const ownerAt = (index: number): string => requests[index]?.owner ?? '';
    let timeoutMs = this.#calls.commandTimeoutMs;
    for (const plan of plans) timeoutMs = Math.min(timeoutMs, plan.ttlMs);
    const stamp = stampOf(this.#calls.clock);
    let taken: readonly (HoldRecord | Busy)[] = [];
    const call: StoreCall<readonly Answer[], readonly (HoldRecord | Busy)[]> = this.#calls.start(
      plans.length === 1 ? (plans[0]?.name ?? null) : null,
      timeoutMs,
      (context) => this.#backend.attempt(requests, context),
      {
        answered: (answers) => {
          taken = this.#takeAll(plans.map((plan, index) => this.#take(plan, ownerAt(index), answers[index], stamp)));
          return taken;
        },
        failed: (error) => {
          const left = plans.map((plan, index) => this.#leftOf(plan, ownerAt(index)));
          this.#undoer.addAttempt(left, call, error);
        },
        unwanted: () => {
          for (const outcome of taken) if ('plan' in outcome) this.giveBack(outcome);
        },
      },
    );
    return call;
  }

  /** Stands in the backend's own queue. @param onQueued called when others are in front, by a backend that tells */
  queued(plan: HoldPlan, onQueued: () => void): Attempt<HoldRecord> {
    const owner = newOwnerToken();
    const request = requestOf(plan, owner, this.#keeper.storeTtlMs(plan.ttlMs));
    const place: QueuedGrant = { isWanted: true, isGranted: false, record: null };
    const call: StoreCall<Grant, HoldRecord> = this.#calls.start(
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
      {
        answered: (grant) => {
          place.isGranted = true;
          if (grant.stamp === undefined) return this.#confirm(plan, owner, grant, place);
          place.record = this.#takeGrant(plan, owner, grant, grant.stamp);
          return place.record;
        },
        failed: () => {
          // Whatever it failed with last, a place in the queue may stand from before.
          this.#undoer.add(refOf(plan, owner), () => call.isSettled, request.ttlMs);
          call.onSettled(() => this.#undoer.poke());
        },
        unwanted: () => {
          place.isWanted = false;
          if (place.record !== null) this.giveBack(place.record);
          // It is about to be confirmed: a renewal that comes after the release finds nothing.
          else if (place.isGranted) this.#undoer.add(refOf(plan, owner), () => true, request.ttlMs);
        },
      },
      Number.POSITIVE_INFINITY,
    );
    return call;
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
  async #confirm(plan: HoldPlan, owner: string, grant: Grant, place: QueuedGrant): Promise<HoldRecord> {
    const stamp = stampOf(this.#calls.clock);
    const hold = { ...refOf(plan, owner), ttlMs: this.#keeper.storeTtlMs(plan.ttlMs) };
    try {
      const [stands] = await this.#calls.run(plan.name, (context) => this.#backend.renew([hold], context));
      if (stands !== true || !place.isWanted) throw this.#tooLate(plan);
    } catch (error) {
      this.#undoer.add(refOf(plan, owner), () => true, hold.ttlMs);
      throw error;
    }
    place.record = this.#takeGrant(plan, owner, grant, stamp);
    return place.record;
  }

  #takeGrant(plan: HoldPlan, owner: string, grant: Grant, stamp: Stamp): HoldRecord {
    const outcome = this.#take(plan, owner, grant, stamp);
    if ('plan' in outcome) return outcome;
    throw outcome instanceof LockUnavailableError ? outcome : this.#tooLate(plan);
  }

  /** Takes a grant into care; one that came too late is freed, and told as an error. */
  #take(plan: HoldPlan, owner: string, answer: Answer | undefined, asked: Stamp): HoldRecord | Busy | LockUnavailableError {
    if (answer === undefined) return { remainingMs: null };
    if (!answer.granted) return answer;
    const stamp = answer.stamp ?? asked;
    const record = this.#keeper.adopt(plan, owner, plan.mode === 'permits' ? null : answer.fencingToken, stamp);
    if (record !== null) return record;
    this.#undoer.add(refOf(plan, owner), () => true, this.#keeper.storeTtlMs(plan.ttlMs));
    return this.#tooLate(plan, elapsedSince(this.#calls.clock, stamp));
  }

  /** One that came too late leaves its caller with nothing. */
  #takeAll(outcomes: readonly (HoldRecord | Busy | LockUnavailableError)[]): readonly (HoldRecord | Busy)[] {
    const late = outcomes.find((outcome) => outcome instanceof LockUnavailableError);
    if (late === undefined) return outcomes as readonly (HoldRecord | Busy)[];
    for (const outcome of outcomes) if ('plan' in outcome) this.giveBack(outcome);
    throw late;
  }

  #tooLate(plan: HoldPlan, elapsedMs?: number): LockUnavailableError {
    const when = elapsedMs === undefined ? '' : ` ${Math.round(elapsedMs)} ms after it was asked for`;
    return new LockUnavailableError(
      `${JSON.stringify(plan.name)} was granted${when}, too late to be held safely for a ttlMs of ${plan.ttlMs}; it was freed again`,
      {
        backend: this.#backend.name,
        lockName: plan.name,
      },
    );
  }

  #leftOf(plan: HoldPlan, owner: string): Leftover {
    return { ref: refOf(plan, owner), withinMs: this.#keeper.storeTtlMs(plan.ttlMs) };
  }
}
