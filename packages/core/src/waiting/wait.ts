import type { CallerContext } from '../async-context.js';
import type { AnyLockError } from '../errors.js';
import type { Asked } from '../hold/asker.js';
import type { Hold } from '../hold/hold.js';
import type { HoldPlan, WaitLimits } from '../hold/hold-plan.js';
import type { TimerEntry } from '../time/timer-queue.js';
import type { Look } from './holder-look.js';
import { newWait, stepWait } from './step-wait.js';
import type { WaitEffect, WaitEvent, WaitState } from './wait-state.js';

/** The limits of a wait that may be the rest of a longer wait. */
export interface RestLimits extends WaitLimits {
  /** How the store has failed in the longer wait, where the store has not answered since: the reason when the rest runs out unheard. */
  readonly failure?: AnyLockError | undefined;
}

/** Where a wait's timers and its signal are heard. */
export interface WaitObserver {
  due(wait: Wait): void;
  limit(wait: Wait): void;
  end(wait: Wait, reason: unknown): void;
}

/** One `acquire` that may wait: its state, its limits, and its caller, who hears of one end. */
export class Wait implements TimerEntry {
  dueAt = 0;
  heapIndex = -1;
  readonly plan: HoldPlan;
  readonly limits: RestLimits;
  readonly context: CallerContext;
  readonly joinedAt: number;
  readonly result: Promise<Hold>;
  /** The pause between two requests. */
  readonly pauseEntry: TimerEntry = { dueAt: 0, heapIndex: -1, onDue: () => this.#observer.due(this) };
  /** The request that ends with the wait. */
  request: Asked<unknown> | null = null;
  subscription: { close(): void } | null = null;
  /** The look at who holds the name, shortly before the wait runs out. */
  look: Look | null = null;
  /** When that look began its own manager held the name: that the name was busy is known without the store. */
  stoodBehindOwn = false;
  readonly #observer: WaitObserver;
  #state: WaitState = newWait;
  #resolve!: (hold: Hold) => void;
  #reject!: (error: unknown) => void;
  #onAbort: (() => void) | null = null;

  constructor(plan: HoldPlan, limits: RestLimits, context: CallerContext, joinedAt: number, observer: WaitObserver) {
    this.plan = plan;
    this.limits = limits;
    this.context = context;
    this.joinedAt = joinedAt;
    this.#observer = observer;
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    const { signal } = limits;
    if (signal === undefined) return;
    this.#onAbort = () => observer.end(this, signal.reason);
    signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  get state(): WaitState {
    return this.#state;
  }

  get isEnded(): boolean {
    return this.#state.at === 'ended';
  }

  /** The only way in which the state changes. The caller carries out the effects. */
  take(event: WaitEvent): readonly WaitEffect[] {
    const [next, effects] = stepWait(this.#state, event);
    this.#state = next;
    if (this.isEnded && this.#onAbort !== null) this.limits.signal?.removeEventListener('abort', this.#onAbort);
    return effects;
  }

  onDue(): void {
    this.#observer.limit(this);
  }

  grant(hold: Hold): void {
    this.#resolve(hold);
  }

  fail(error: unknown): void {
    this.#reject(error);
  }
}
