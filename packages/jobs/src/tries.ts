import { clearInterval, setInterval } from 'node:timers';
import type { Clock, LeaseOptions, LockManager } from '@holdfast/core';

const FIRST_PAUSE_MS = 50;
const LAST_PAUSE_MS = 1_000;
/** The longest that a timer can count. */
const EVER_MS = 2 ** 31 - 1;

/** Milliseconds since the call. By the monotonic clock: a wall clock that is set forward must not end a window. */
export function stopwatch(clock: Clock): () => number {
  const since = clock.now();
  return () => Math.max(0, Math.round(clock.now() - since));
}

/** How often something is tried that the store did not answer: with growing pauses, for one ttl. The process stays until it is done. */
export class Tries implements Disposable {
  readonly #clock: Clock;
  readonly #longestMs: number;
  readonly #elapsedMs: () => number;
  readonly #alive = setInterval(() => {}, EVER_MS);
  #pauseMs = FIRST_PAUSE_MS;

  constructor({ clock, leaseDefaults }: Pick<LockManager, 'clock' | 'leaseDefaults'>, { ttlMs = leaseDefaults.ttlMs }: LeaseOptions) {
    this.#clock = clock;
    this.#longestMs = ttlMs;
    this.#elapsedMs = stopwatch(clock);
  }

  /** Pauses, or less when `signal` aborts meanwhile; resolves to whether there is to be another try. */
  async again(signal: AbortSignal): Promise<boolean> {
    const pauseMs = Math.min(this.#pauseMs, this.#longestMs - this.#elapsedMs());
    if (pauseMs <= 0) return false;
    this.#pauseMs = Math.min(2 * this.#pauseMs, LAST_PAUSE_MS);
    await new Promise<void>((resolve) => {
      const done = (): void => {
        timer.cancel();
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = this.#clock.setTimer(pauseMs * (0.5 + this.#clock.random() / 2), done);
      signal.addEventListener('abort', done, { once: true });
    });
    return true;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#alive);
  }
}
