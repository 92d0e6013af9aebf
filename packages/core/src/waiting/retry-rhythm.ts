import type { LockBackend } from '../contract/backend.js';
import type { Clock } from '../contract/clock.js';

const FIRST_PAUSE_MS = 40;
const LONGEST_PAUSE_MS = 500;
/** A failure so long after the last one begins another outage. */
const FORGOTTEN_AFTER_MS = 2_000;

interface Round {
  /** When all ask again, on the monotonic clock. */
  readonly nextAt: number;
  readonly pauseMs: number;
  /** Of each pause before the longest: spreads managers that fail at the same moment, which then keep their distance. */
  readonly share: number;
}

/**
 * When the waits of one manager ask again that the store did not answer: all in one round, so that a store which refuses connections
 * meets as many attempts as from one wait. The pause between rounds doubles. What fails apart (the masters of a cluster) has a rhythm of
 * its own.
 */
export class RetryRhythm {
  readonly #backend: LockBackend;
  readonly #clock: Clock;
  /** By partition. */
  readonly #rounds = new Map<string, Round>();

  constructor(backend: LockBackend, clock: Clock) {
    this.#backend = backend;
    this.#clock = clock;
  }

  /** A request for the name has failed. @returns the pause in ms until the next round, no matter whose failure has planned it */
  failed(name: string): number {
    const now = this.#clock.now();
    const key = this.#keyOf(name);
    const last = this.#rounds.get(key);
    if (last !== undefined && last.nextAt > now) return last.nextAt - now;
    const isNew = last === undefined || now - last.nextAt > FORGOTTEN_AFTER_MS;
    const share = isNew ? 1 - this.#clock.random() / 3 : last.share;
    const pauseMs = isNew ? FIRST_PAUSE_MS : Math.min(LONGEST_PAUSE_MS, last.pauseMs * 2);
    const nextInMs = pauseMs < LONGEST_PAUSE_MS ? pauseMs * share : pauseMs;
    this.#rounds.set(key, { nextAt: now + nextInMs, pauseMs, share });
    return nextInMs;
  }

  /** The store has answered for the name: the next failure begins with the first pause. */
  answered(name: string): void {
    if (this.#rounds.size > 0) this.#rounds.delete(this.#keyOf(name));
  }

  #keyOf(name: string): string {
    return this.#backend.partition?.(name) ?? '';
  }
}
