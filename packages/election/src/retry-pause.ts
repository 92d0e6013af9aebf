import type { Clock } from '@holdfast/core';

/** No pause that grows becomes longer than this, but for `retryMs` itself. */
const MAX_PAUSE_MS = 30_000;

/** The pauses of one candidate, between a term that ended and its next campaign. */
export class RetryPause {
  readonly #clock: Clock;
  readonly #retryMs: number;
  #losses = 0;

  constructor(clock: Clock, retryMs: number) {
    this.#clock = clock;
    this.#retryMs = retryMs;
  }

  /** After a term that ended by itself: longer than others need to notice that it has, where they have to ask. */
  afterTerm(): number {
    this.#losses = 0;
    return this.#retryMs * (1 + this.#clock.random());
  }

  /** After a loss, or a task that failed: the longer the more there were in a row. `wasWell`: the term lasted, and what was before is forgotten. */
  afterLoss(wasWell: boolean): number {
    this.#losses = wasWell ? 1 : this.#losses + 1;
    const grown = Math.min(this.#retryMs * 2 ** Math.min(this.#losses - 1, 30), Math.max(MAX_PAUSE_MS, this.#retryMs));
    return grown * (0.5 + this.#clock.random());
  }

  /** After a store that did not answer: nobody else leads for that. */
  afterOutage(): number {
    return this.#retryMs * (0.5 + this.#clock.random() / 2);
  }

  /** Waits, or until the signal aborts. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const timer = this.#clock.setTimer(ms, () => done());
      const done = (): void => {
        timer.cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      signal.addEventListener('abort', done, { once: true });
    });
  }
}
