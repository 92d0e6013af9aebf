import type { LockBackend } from '../contract/backend.js';
import type { Clock } from '../contract/clock.js';
import { backoffMs } from './backoff.js';

/**
 * When the waits of one manager ask again that the store did not answer: all at the same moment, so that a store which refuses
 * connections meets as many attempts as from one wait. What fails apart (the masters of a cluster) has a rhythm of its own.
 */
export class RetryRhythm {
  readonly #backend: LockBackend;
  readonly #clock: Clock;
  /** By partition: when all ask again, on the monotonic clock. */
  readonly #nextAt = new Map<string, number>();

  constructor(backend: LockBackend, clock: Clock) {
    this.#backend = backend;
    this.#clock = clock;
  }

  /**
   * @param askedAt when the request was sent that failed
   * @param failures how many requests for the name have failed since its last answer
   * @returns the pause in ms
   */
  pauseMs(name: string, askedAt: number, failures: number): number {
    const now = this.#clock.now();
    const key = this.#backend.partition?.(name) ?? '';
    const nextAt = this.#nextAt.get(key) ?? Number.NEGATIVE_INFINITY;
    // Asked in the last round, whose first failure has said when the next one is: that may have begun.
    if (askedAt < nextAt) return Math.max(0, nextAt - now);
    const pauseMs = backoffMs(this.#clock, failures, 20, 500);
    this.#nextAt.set(key, now + pauseMs);
    return pauseMs;
  }
}
