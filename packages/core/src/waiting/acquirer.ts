import type { Clock } from '../contract/clock.js';
import type { HolderState } from '../contract/state.js';
import { isLockError, LockClosedError, LockTimeoutError, LockUnavailableError } from '../errors.js';
import type { EventSource } from '../events.js';
import type { HoldPlan } from '../lease/hold-plan.js';
import type { HoldRecord } from '../lease/hold-record.js';
import { toldHolder } from '../told-state.js';
import type { Attempt, Busy } from './attempts.js';
import { NameQueue, type QueueServices } from './name-queue.js';
import { type WaitLimits, Waiter, type WaitObserver } from './waiter.js';

/** How long a timed-out acquire looks for who had the lock. */
const HOLDERS_TIMEOUT_MS = 500;

/** The only one that asks for a name. It becomes a waiter when it was not granted, or when somebody joins it. */
interface Lone {
  readonly plan: HoldPlan;
  readonly limits: WaitLimits;
  readonly joinedAt: number;
  readonly attempt: Attempt<HoldRecord | Busy>;
  waiter: Waiter | null;
}

type Outcome = 'busy' | 'timeout' | 'aborted' | 'unavailable' | 'closed';

/** All ways of taking a hold: once, waiting, and several at once. */
export class Acquirer implements WaitObserver {
  readonly #services: Omit<QueueServices, 'onContended'>;
  readonly #events: EventSource;
  readonly #queues = new Map<string, NameQueue>();
  readonly #lone = new Map<string, Lone>();
  readonly #pending = new Set<Attempt<unknown>>();
  #isClosed = false;
  readonly #queueServices: QueueServices;

  constructor(services: Omit<QueueServices, 'onContended'>, events: EventSource) {
    this.#services = services;
    this.#events = events;
    this.#queueServices = {
      ...services,
      onContended: ({ plan }) => {
        events.emit({ type: 'waiting', kind: plan.kind, name: plan.name, label: plan.label });
      },
    };
    services.keeper.onEnd((record) => {
      if (this.#queues.size > 0) this.#queues.get(record.plan.key)?.holdEnded();
    });
  }

  /**
   * Waits for the hold; rejects with what ended the wait.
   *
   * @throws the reason of a signal that has been aborted already
   */
  acquire(plan: HoldPlan, limits: WaitLimits): Promise<HoldRecord> {
    limits.signal?.throwIfAborted();
    if (limits.waitMs === 0) return this.#acquireOnce(plan, limits);
    if (this.#mayAskAlone(plan, limits)) return this.#askAlone(plan, limits);
    const lone = this.#lone.get(plan.key);
    if (lone !== undefined) this.#enlist(lone);
    const waiter = new Waiter(plan, limits, this.#services.calls, this, this.#services.calls.clock.now());
    waiter.begin();
    this.#queueFor(plan).join(waiter);
    return waiter.result;
  }

  granted(waiter: Waiter, record: HoldRecord): void {
    if (this.#events.has('granted')) this.#announceGrant(record, waiter.waitedMs(), waiter.isContended);
  }

  refused(waiter: Waiter, error: unknown): void {
    this.#announceRefusal(waiter.plan, waiter.waitedMs(), outcomeOf(error), error);
  }

  aborted(waiter: Waiter, reason: unknown): void {
    waiter.fail(reason);
    this.#queues.get(waiter.plan.key)?.leave(waiter);
  }

  timedOut(waiter: Waiter): void {
    const queue = this.#queues.get(waiter.plan.key);
    if (queue !== undefined) this.#timeOut(queue, waiter);
  }

  /** Asks once, past the local queue. null is "busy". */
  async tryOne(plan: HoldPlan, signal: AbortSignal | undefined): Promise<HoldRecord | null> {
    const [record = null] = await this.tryMany([plan], signal);
    return record;
  }

  /** Asks once for several in one call. Rejects, holding nothing, when any answer is unknown. Busy is not told where a wait follows. */
  async tryMany(
    plans: readonly HoldPlan[],
    signal: AbortSignal | undefined,
    { tellsBusy = true }: { readonly tellsBusy?: boolean } = {},
  ): Promise<readonly (HoldRecord | null)[]> {
    signal?.throwIfAborted();
    if (this.#isClosed) throw this.#closedError(null);
    if (plans.length === 0) return [];
    const { clock } = this.#services.calls;
    const startedAt = clock.now();
    const waitedMs = (): number => elapsedMs(clock, startedAt);
    const attempt = this.#services.attempts.many(plans);
    const onAbort = (): void => {
      attempt.end(signal?.reason);
    };
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#pending.add(attempt);
    let outcomes: readonly (HoldRecord | Busy)[];
    try {
      outcomes = await attempt.result;
      // Ended when it had been answered: what was granted has been given back.
      signal?.throwIfAborted();
      if (this.#isClosed) throw this.#closedError(null);
    } catch (error) {
      for (const plan of plans) this.#announceRefusal(plan, waitedMs(), outcomeOf(error), error);
      throw error;
    } finally {
      this.#pending.delete(attempt);
      signal?.removeEventListener('abort', onAbort);
    }
    return outcomes.map((outcome, index) => {
      if ('plan' in outcome) {
        this.#announceGrant(outcome, waitedMs(), false);
        return outcome;
      }
      const plan = plans[index];
      if (plan !== undefined && tellsBusy) this.#announceRefusal(plan, waitedMs(), 'busy');
      return null;
    });
  }

  /** Rejects all that wait with LOCK_CLOSED, and frees what is under way. */
  close(): void {
    this.#isClosed = true;
    for (const lone of [...this.#lone.values()]) this.#enlist(lone);
    for (const queue of [...this.#queues.values()]) {
      // From the last to the first, so that none is promoted only to be ended.
      for (const waiter of [...queue.waiters].reverse()) {
        waiter.fail(this.#closedError(waiter.plan.name));
        queue.leave(waiter);
      }
    }
    for (const attempt of this.#pending) attempt.end(this.#closedError(null));
  }

  /** Told of a wait that ran out: best effort, who has it. */
  async holdersOf(plan: HoldPlan): Promise<readonly HolderState[] | null> {
    const { calls, backend } = this.#services;
    try {
      const timeoutMs = Math.min(calls.commandTimeoutMs, HOLDERS_TIMEOUT_MS);
      const state = await calls.run(plan.name, (call) => backend.inspect(plan.name, plan.kind, call), timeoutMs);
      return state.holders.map(toldHolder);
    } catch {
      return null;
    }
  }

  async #acquireOnce(plan: HoldPlan, limits: WaitLimits): Promise<HoldRecord> {
    const [record = null] = await this.tryMany([plan], limits.signal, { tellsBusy: false });
    if (record !== null) return record;
    const error = this.#timeoutError(plan, limits.waitMs, 0, (await this.holdersOf(plan)) ?? []);
    this.#announceRefusal(plan, 0, 'timeout', error);
    throw error;
  }

  /** Where nobody waits, the command's own deadline ends the first attempt soon enough, and a queue would stand for nothing. */
  #mayAskAlone({ key, ttlMs }: HoldPlan, { waitMs, signal }: WaitLimits): boolean {
    const { backend, calls, keeper } = this.#services;
    return (
      signal === undefined &&
      backend.wait === undefined &&
      waitMs >= Math.min(calls.commandTimeoutMs, ttlMs) &&
      // Before the rest: this look may tell a loss, and whoever hears of it may ask for the same name meanwhile.
      !keeper.holdsExclusively(key) &&
      !this.#queues.has(key) &&
      !this.#lone.has(key)
    );
  }

  async #askAlone(plan: HoldPlan, limits: WaitLimits): Promise<HoldRecord> {
    const { attempts, calls } = this.#services;
    const lone: Lone = { plan, limits, joinedAt: calls.clock.now(), attempt: attempts.one(plan), waiter: null };
    this.#lone.set(plan.key, lone);
    try {
      const outcome = await lone.attempt.result;
      if (lone.waiter === null && 'plan' in outcome) {
        this.#lone.delete(plan.key);
        if (this.#events.has('granted')) this.#announceGrant(outcome, elapsedMs(calls.clock, lone.joinedAt), false);
        return outcome;
      }
    } catch {
      // The queue takes it from here: it tells what may pass from what will not.
    }
    return await this.#enlist(lone).result;
  }

  #enlist(lone: Lone): Waiter {
    if (lone.waiter === null) {
      const { plan, limits, joinedAt, attempt } = lone;
      this.#lone.delete(plan.key);
      lone.waiter = new Waiter(plan, limits, this.#services.calls, this, joinedAt);
      lone.waiter.begin();
      this.#queueFor(plan).join(lone.waiter, attempt);
    }
    return lone.waiter;
  }

  #timeOut(queue: NameQueue, waiter: Waiter): void {
    const outage = queue.outageFor(waiter);
    if (outage !== null) {
      waiter.fail(outage);
    } else {
      const waitedMs = waiter.waitedMs();
      const heard = queue.wasHeard(waiter);
      const error = this.holdersOf(waiter.plan).then((holders) =>
        holders === null && !heard
          ? new LockUnavailableError(`the store did not answer within the ${waiter.waitMs} ms of the wait`, {
              backend: this.#services.backend.name,
              lockName: waiter.plan.name,
            })
          : this.#timeoutError(waiter.plan, waiter.waitMs, waitedMs, holders ?? []),
      );
      waiter.failWith(error, new LockTimeoutError('the wait ran out', { waitedMs }));
    }
    queue.leave(waiter);
  }

  #timeoutError(plan: HoldPlan, waitMs: number, waitedMs: number, holders: readonly HolderState[]): LockTimeoutError {
    const labels = holders.flatMap((holder) => (holder.label === null ? [] : [holder.label]));
    const by = labels.length === 0 ? '' : ` (held by ${labels.slice(0, 3).join(', ')})`;
    return new LockTimeoutError(`${JSON.stringify(plan.name)} was not free within ${waitMs} ms${by}`, {
      backend: this.#services.backend.name,
      lockName: plan.name,
      waitedMs,
      holders,
    });
  }

  #closedError(lockName: string | null): LockClosedError {
    const waited = lockName === null ? '' : ` while ${JSON.stringify(lockName)} was waited for`;
    return new LockClosedError(`the lock manager was closed${waited}`, { backend: this.#services.backend.name, lockName });
  }

  #queueFor(plan: HoldPlan): NameQueue {
    const { key } = plan;
    let queue = this.#queues.get(key);
    if (queue === undefined) {
      queue = new NameQueue(key, this.#queueServices, (empty) => this.#queues.delete(empty));
      this.#queues.set(key, queue);
    }
    return queue;
  }

  #announceGrant(record: HoldRecord, waitedMs: number, contended: boolean): void {
    if (!this.#events.has('granted')) return;
    const { kind, name, label } = record.plan;
    this.#events.emit({ type: 'granted', kind, name, label, waitedMs, contended, fencingToken: record.fencingToken });
  }

  #announceRefusal(plan: HoldPlan, waitedMs: number, outcome: Outcome, error?: unknown): void {
    if (!this.#events.has('not-granted')) return;
    const { kind, name, label } = plan;
    this.#events.emit({ type: 'not-granted', kind, name, label, waitedMs, outcome, ...(error === undefined ? {} : { error }) });
  }
}

function elapsedMs(clock: Clock, since: number): number {
  return Math.max(0, Math.round(clock.now() - since));
}

function outcomeOf(error: unknown): Outcome {
  if (isLockError(error, 'LOCK_TIMEOUT')) return 'timeout';
  if (isLockError(error, 'LOCK_CLOSED')) return 'closed';
  return isLockError(error) ? 'unavailable' : 'aborted';
}
