import type { Clock } from '@holdfast/core';

const FIRST_MS = 25;
const LAST_MS = 500;

/** The pauses between tries: each twice as long as the one before, up to half a second. */
export class RetryPause {
  readonly #clock: Clock;
  #pauses = 0;
  #until = Number.NEGATIVE_INFINITY;
  #end: (() => void) | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How long the present one lasts; below zero when there is none. */
  get remainingMs(): number {
    return this.#until - this.#clock.now();
  }

  /** The next pause is the first again. */
  reset(): void {
    this.#pauses = 0;
  }

  /** Ends the present one. */
  end(): void {
    this.#end?.();
  }

  /** At first random, so that not all clients come back in the same moment. */
  begin(): Promise<void> {
    this.#pauses += 1;
    const grown = FIRST_MS * 2 ** Math.min(this.#pauses, 10);
    const ms = grown < LAST_MS ? grown * (1 - this.#clock.random() / 3) : LAST_MS;
    this.#until = this.#clock.now() + ms;
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        this.#end = null;
        this.#until = Number.NEGATIVE_INFINITY;
        resolve();
      };
      const timer = this.#clock.setTimer(ms, end);
      this.#end = end;
    });
  }
}
