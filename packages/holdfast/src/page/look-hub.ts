import { setImmediate as turn } from 'node:timers/promises';
import { type Clock, isLockError } from '@holdfast/core';
import { type Look, type LockWatch, REST_FACTOR } from '../view/lock-watch.js';

/** What was last seen, for all who watch. */
export interface Seen {
  readonly look: Look | null;
  /** Why the last look failed; null when it did not. */
  readonly problem: string | null;
}

/** Looks at the store while somebody watches: once for all of them, and not at all for nobody. */
export class LookHub {
  readonly #watch: Pick<LockWatch, 'look'>;
  readonly #clock: Clock;
  readonly #everyMs: number;
  readonly #listeners = new Set<() => void>();
  #seen: Seen = { look: null, problem: null };
  #isLooking = false;
  #timer: { cancel(): void } | null = null;
  #isClosed = false;

  constructor(watch: Pick<LockWatch, 'look'>, clock: Clock, everyMs: number) {
    this.#watch = watch;
    this.#clock = clock;
    this.#everyMs = everyMs;
  }

  get seen(): Seen {
    return this.#seen;
  }

  /** Calls `onSeen` after each look, until the function that is returned is called. */
  listen(onSeen: () => void): () => void {
    this.#listeners.add(onSeen);
    if (this.#timer === null && !this.#isLooking) void this.#look();
    return () => {
      this.#listeners.delete(onSeen);
      if (this.#listeners.size > 0) return;
      this.#timer?.cancel();
      this.#timer = null;
    };
  }

  close(): void {
    this.#isClosed = true;
    this.#listeners.clear();
    this.#timer?.cancel();
    this.#timer = null;
  }

  async #look(): Promise<void> {
    this.#timer = null;
    this.#isLooking = true;
    const began = this.#clock.now();
    let pauseMs = this.#everyMs;
    try {
      const look = await this.#watch.look();
      this.#seen = { look, problem: null };
      pauseMs = look.nextInMs;
    } catch (error) {
      this.#seen = { look: this.#seen.look, problem: problemOf(error) };
    }
    // To put thousands of rows in order for each who watches takes a while: other work of the process, renewals above all, goes between.
    for (const onSeen of [...this.#listeners]) {
      if (!this.#listeners.has(onSeen)) continue;
      onSeen();
      // oxlint-disable-next-line no-await-in-loop
      await turn();
    }
    this.#isLooking = false;
    if (this.#listeners.size === 0 || this.#isClosed) return;
    pauseMs = Math.max(pauseMs, (this.#clock.now() - began) * REST_FACTOR);
    this.#timer = this.#clock.setTimer(pauseMs, () => void this.#look());
  }
}

/** In our own words only: whatever else was thrown may hold a secret. */
export function problemOf(error: unknown): string {
  return isLockError(error) ? `${error.message} (${error.code})` : 'an internal error';
}
