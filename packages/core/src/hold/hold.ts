import { setMaxListeners } from 'node:events';
import type { CallerContext } from '../async-context.js';
import type { HoldRequest, Stamp } from '../contract/backend.js';
import type { FencingToken } from '../contract/lease.js';
import type { AnyLockError, LockLostError } from '../errors.js';
import type { TimerEntry } from '../store/timer-queue.js';
import { type HoldPlan, requestOf } from './hold-plan.js';
import type { HoldEffect, HoldEnd, HoldEvent, HoldState, StoreFacts } from './hold-state.js';
import { step } from './step.js';

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
  #state: HoldState;
  /** In which the hold was asked for; null once the hold has ended. */
  context: CallerContext | null;
  #controller: AbortController | null = null;
  #onLost: ((error: LockLostError) => void)[] | null = null;
  /** One answer serves all who ask for the release. */
  isReleaseAsked = false;
  #outcome: ReleaseOutcome | null = null;
  #released: Promise<boolean> | null = null;
  #onReleased: ((outcome: ReleaseOutcome) => void)[] | null = null;
  readonly #due: (hold: Hold) => void;

  /** @param due called when the hold's timer fires */
  constructor(plan: HoldPlan, owner: string, store: StoreFacts, context: CallerContext, due: (hold: Hold) => void) {
    this.plan = plan;
    this.owner = owner;
    this.request = requestOf(plan, owner);
    this.#state = { at: 'asking', hold: { plan, owner, store } };
    this.context = context;
    this.#due = due;
  }

  get state(): HoldState {
    return this.#state;
  }

  /** The only way in which the state changes. The caller carries out the effects. */
  take(event: HoldEvent, now: Stamp): readonly HoldEffect[] {
    const [next, effects] = step(this.#state, event, now);
    this.#state = next;
    return effects;
  }

  onDue(): void {
    this.#due(this);
  }

  /** null for permits, and while nothing is granted. */
  get fencingToken(): FencingToken {
    return 'grant' in this.#state ? (this.#state.grant?.fencingToken ?? null) : null;
  }

  /** How the hold ended for its caller; null while the hold has not. */
  get end(): HoldEnd | null {
    return 'end' in this.#state ? this.#state.end : null;
  }

  /** Why the hold was lost; null if it was not. */
  get lost(): LockLostError | null {
    return this.end?.how === 'lost' ? this.end.error : null;
  }

  /** Whether its release, or what took the place of one, freed anything. */
  get wasFreed(): boolean {
    const { end } = this;
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

  /** Settles when the store has answered the release, or has not in time. */
  get released(): Promise<boolean> {
    this.#released ??= new Promise((resolve, reject) => {
      this.whenReleased((outcome) => ('error' in outcome ? reject(outcome.error) : resolve(outcome.wasOurs)));
    });
    return this.#released;
  }

  /** The same without a promise. */
  whenReleased(listener: (outcome: ReleaseOutcome) => void): void {
    if (this.#outcome !== null) listener(this.#outcome);
    else (this.#onReleased ??= []).push(listener);
  }

  settleRelease(outcome: ReleaseOutcome): void {
    const listeners = this.#onReleased;
    this.#outcome = outcome;
    this.#onReleased = null;
    if (listeners !== null) for (const listener of listeners) listener(outcome);
  }

  /** Runs what the caller observes in the context in which the hold was asked for. */
  inContext(task: () => void): void {
    if (this.context === null) task();
    else this.context.runInAsyncScope(task);
  }
}
