import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { CallerContext } from '../async-context.js';
import type { HoldRequest, Stamp } from '../contract/backend.js';
import type { AnyLockError, LockLostError } from '../errors.js';
import type { TimerEntry } from '../time/timer-queue.js';
import type { HoldPlan } from './hold-plan.js';
import type { HoldEffect, HoldEvent, HoldState, StoreFacts } from './hold-state.js';
import { step } from './step.js';

/** Who has the hold. */
export interface HoldKeeper {
  readonly facts: StoreFacts;
  /** The hold's timer has fired. */
  due(hold: Hold): void;
}

/** What the store made of a release, or why that is unknown. */
export type ReleaseOutcome = { readonly wasOurs: boolean } | { readonly error: AnyLockError };

/** Keeps the state of one hold, and what must be reached from it: its signal, its listeners, the caller of its release. */
export class Hold implements TimerEntry {
  dueAt = 0;
  heapIndex = -1;
  readonly plan: HoldPlan;
  readonly owner: string;
  /** What the store is asked for, and what names the hold to the store from then on. */
  readonly request: HoldRequest;
  /** Only `take` writes it. */
  readonly state: HoldState;
  /** In which the hold was asked for; null once the hold has ended. */
  context: CallerContext | null;
  #controller: AbortController | null = null;
  #onLost: ((error: LockLostError) => void)[] | null = null;
  /** The outcome of its release, for all who ask for the release; null while nobody has. */
  released: Promise<ReleaseOutcome> | null = null;
  /** Settles `released`. */
  settle: ((outcome: ReleaseOutcome) => void) | null = null;
  readonly #runner: HoldKeeper;

  /**
   * A hold that nothing is known of yet.
   *
   * @param owner of the holder that this manager takes over from; any other hold has a token of its own
   */
  constructor(plan: HoldPlan, runner: HoldKeeper, context: CallerContext, owner = randomUUID().replaceAll('-', '')) {
    this.plan = plan;
    this.owner = owner;
    this.request = requestOf(plan, owner);
    this.state = { at: 'asking', hold: { plan, store: runner.facts }, grant: null, end: null };
    this.context = context;
    this.#runner = runner;
  }

  /** The only way in which the state changes. The caller carries out the effects. */
  take(event: HoldEvent, now: Stamp): readonly HoldEffect[] {
    const [next, effects] = step(this.state, event, now);
    (this as { state: HoldState }).state = next;
    return effects;
  }

  onDue(): void {
    this.#runner.due(this);
  }

  /** Why the hold was lost; null if it was not. */
  get lost(): LockLostError | null {
    const { end } = this.state;
    return end?.how === 'lost' ? end.error : null;
  }

  /** Whether its release, or what took the place of one, freed anything. */
  get wasFreed(): boolean {
    const { end } = this.state;
    return end?.how !== 'detached' && (end?.how !== 'released' || end.wasOurs !== false);
  }

  /** Made on demand: most holders never look at it. */
  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      // One listener for each thing that the task starts is normal use, not a leak.
      setMaxListeners(0, this.#controller.signal);
      if (this.lost !== null) this.#controller.abort(this.lost);
    }
    return this.#controller.signal;
  }

  onLost(listener: (error: LockLostError) => void): void {
    if (this.lost !== null) listener(this.lost);
    else (this.#onLost ??= []).push(listener);
  }

  abort(error: LockLostError): void {
    for (const listener of this.#onLost ?? []) listener(error);
    this.#onLost = null;
    this.#controller?.abort(error);
  }

  /** Runs what the caller observes in the context in which the hold was asked for. */
  inContext(task: () => void): void {
    if (this.context === null) task();
    else this.context.runInAsyncScope(task);
  }
}

/** What the store is asked for: by nobody with '' as its owner, for a subscription holds nothing. */
export function requestOf({ name, storeTtlMs: ttlMs, mode, keptLabel: label, permits, limit }: HoldPlan, owner: string): HoldRequest {
  return mode === 'permits' ? { name, owner, label, ttlMs, mode, permits, limit } : { name, owner, label, ttlMs, mode };
}
