import type { Clock, LockUnavailableError } from '@holdfast/core';

/** Somebody who waits until requests can be made. */
interface Waiting {
  /** How many rounds of tries had begun when the wait began. */
  readonly roundsBefore: number;
  resolve(): void;
  reject(error: unknown): void;
}

/** Those who wait until requests can be made, and what each of them may be notified of the tries. */
export class ReadyLine {
  readonly #clock: Clock;
  readonly #waiting = new Set<Waiting>();
  #rounds = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /** @param onTimeout what is thrown after `withinMs` */
  async wait(withinMs: number, onTimeout: () => unknown): Promise<void> {
    let timer: { cancel(): void } | null = null;
    const ready = new Promise<void>((resolve, reject) => {
      const entry: Waiting = { roundsBefore: this.#rounds, resolve, reject };
      this.#waiting.add(entry);
      if (withinMs === Number.POSITIVE_INFINITY) return;
      // A little before the caller gives up, who otherwise would hear how long it took and not why.
      timer = this.#clock.setTimer(Math.max(0, withinMs - Math.min(50, withinMs / 10)), () => {
        this.#waiting.delete(entry);
        reject(onTimeout());
      });
    });
    try {
      await ready;
    } finally {
      (timer as { cancel(): void } | null)?.cancel();
    }
  }

  /** All servers are about to be tried, one after the other. */
  beginRound(): void {
    this.#rounds += 1;
  }

  /** All servers were tried in vain. Who came during the round waits for the next: it tells nothing of the servers of now. */
  endRound(failure: LockUnavailableError): void {
    for (const waiting of this.#waiting) {
      if (waiting.roundsBefore >= this.#rounds) continue;
      this.#waiting.delete(waiting);
      waiting.reject(failure);
    }
  }

  refuseAll(failure: LockUnavailableError): void {
    for (const waiting of this.#waiting) waiting.reject(failure);
    this.#waiting.clear();
  }

  letIn(): void {
    for (const waiting of this.#waiting) waiting.resolve();
    this.#waiting.clear();
  }
}
