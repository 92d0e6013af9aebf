import type { CallContext } from '../contract/call-context.js';
import type { Clock } from '../contract/clock.js';

/** What comes with a call that stands in a queue. A copy has neither getter: what replaces the signal must not keep the answer of the first. */
export class QueueCall implements CallContext {
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly onQueued: () => void;
  readonly #call: CallContext;

  constructor(call: CallContext, onQueued: () => void) {
    this.timeoutMs = call.timeoutMs;
    this.clock = call.clock;
    this.onQueued = onQueued;
    this.#call = call;
  }

  get signal(): AbortSignal {
    return this.#call.signal;
  }

  get isEnded(): boolean | undefined {
    return this.#call.isEnded;
  }
}
