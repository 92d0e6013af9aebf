import type { LockBackend } from '../contract/backend.js';
import type { Clock } from '../contract/clock.js';
import { backoffMs } from './backoff.js';

interface Round {
  failures: number;
  /** When all try again, on the monotonic clock. */
  nextAt: number;
}

/**
 * When the waits of one manager try again that found no connection: all at the same moment, so that a store which refuses connections
 * meets as many attempts as from one wait. What fails apart (the masters of a cluster) has a rhythm of its own.
 */
export class RetryRhythm {
  readonly #backend: LockBackend;
  readonly #clock: Clock;
  readonly #rounds = new Map<string, Round>();

  constructor(backend: LockBackend, clock: Clock) {
    this.#backend = backend;
    this.#clock = clock;
  }

  /** @returns the pause, in ms, of a wait whose request of `askedAt` found no connection */
  pauseMs(name: string, askedAt: number): number {
    const now = this.#clock.now();
    const key = this.#keyOf(name);
    const round = this.#rounds.get(key) ?? { failures: 0, nextAt: Number.NEGATIVE_INFINITY };
    // Asked in this round: the first failure of it says when the next one is.
    if (askedAt >= round.nextAt) {
      round.failures += 1;
      round.nextAt = now + backoffMs(this.#clock, round.failures, 20, 500);
      this.#rounds.set(key, round);
    }
    return Math.max(0, round.nextAt - now);
  }

  answered(name: string): void {
    if (this.#rounds.size > 0) this.#rounds.delete(this.#keyOf(name));
  }

  #keyOf(name: string): string {
    return this.#backend.partition?.(name) ?? '';
  }
}
