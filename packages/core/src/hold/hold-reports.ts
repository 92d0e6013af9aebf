import type { EventSource } from '../events.js';
import type { StoreCalls } from '../calls/store-calls.js';
import { traceHold } from '../tracing.js';
import { remainingMs } from './deadline.js';
import type { Hold } from './hold.js';
import type { HoldEffect, HoldState } from './hold-state.js';

/** What observers hear of the holds of one manager. Who calls asks first whether anybody listens. */
export class HoldReports {
  readonly #backend: string;
  readonly #calls: StoreCalls;
  readonly #events: EventSource;

  constructor(backend: string, calls: StoreCalls, events: EventSource) {
    this.#backend = backend;
    this.#calls = calls;
    this.#events = events;
  }

  /** What follows from a step. */
  report(hold: Hold, effect: Extract<HoldEffect, { do: 'emit' }>): void {
    const { plan, state } = hold;
    const fencingToken = state.grant?.fencingToken ?? null;
    switch (effect.type) {
      case 'renew-failed': {
        const remaining = state.at === 'held' ? Math.floor(remainingMs(state, this.#calls.stamp())) : 0;
        this.#events.emit(plan, { type: 'renew-failed', remainingMs: remaining, error: effect.error });
        return;
      }
      case 'release-failed':
        this.#events.emit(plan, { type: 'release-failed', error: effect.error });
        return;
      case 'lost':
        if (hold.lost === null) return;
        this.#events.emit(plan, { type: 'lost', reason: hold.lost.reason, heldMs: this.#heldMs(state), fencingToken });
        return;
      case 'released':
        this.#events.emit(plan, { type: 'released', heldMs: this.#heldMs(state), freed: hold.wasFreed, fencingToken });
        return;
      default:
        effect satisfies never;
    }
  }

  /** @param leftMs before the renewal @param ttlMs what was asked for */
  renewed({ plan }: Hold, leftMs: number, ttlMs: number): void {
    this.#events.emit(plan, { type: 'renewed', remainingMs: Math.max(0, Math.floor(leftMs)), ttlMs });
  }

  /** The task, shown to everybody who traces while the task runs under these holds. */
  traced<L, T>(holds: readonly Hold[], task: (lease: L) => T | PromiseLike<T>): (lease: L) => T | PromiseLike<T> {
    const facts = { operation: 'hold', backend: this.#backend, managerId: this.#events.managerId };
    const plans = holds.map(({ plan }) => plan);
    return (lease) => traceHold(facts, plans, () => task(lease));
  }

  #heldMs({ grant }: HoldState): number {
    return grant === null ? 0 : Math.max(0, Math.round(this.#calls.clock.now() - grant.stamp.now));
  }
}
