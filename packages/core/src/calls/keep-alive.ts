import { clearTimeout, setTimeout } from 'node:timers';
import { outsideOfContexts } from '../async-context.js';

// Captured at load, as systemClock does: fake timers must not end a process that waits for a lock.
const start = setTimeout;
const stop = clearTimeout;

/** For so long the process may stay after its last call: a call that takes less sets no timer and cancels none. */
const BRIEF_MS = 50;
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Keeps the process alive while calls are pending: all other timers are unref'd, and a waiting `acquire` has nothing else that the event
 * loop would stay for.
 */
export class KeepAlive {
  /** How many calls are pending. `StoreCalls`, which has most of them, does by itself what `begin` and `end` do. @internal */
  pending = 0;
  /** What the process stays for: nothing, a brief timer that looks whether calls are pending, or a timer that the last call has to cancel. @internal */
  stays: 'not' | 'briefly' | 'until-end' = 'not';
  #isClosed = false;
  #timer: ReturnType<typeof setTimeout> | null = null;

  /** A call has begun: the process stays. */
  begin(): void {
    this.pending += 1;
    if (this.stays === 'not') this.keep();
  }

  /** A call has ended: without others the process may end. */
  end(): void {
    this.pending -= 1;
    if (this.pending === 0 && this.stays === 'until-end') this.letGo();
  }

  /** The first call has begun. @internal */
  keep(): void {
    this.stays = this.#isClosed ? 'until-end' : 'briefly';
    this.#timer = outsideOfContexts(() => start(this.#look, this.#isClosed ? LONGEST_MS : BRIEF_MS));
  }

  /** The last call has ended. @internal */
  letGo(): void {
    if (this.#timer !== null) stop(this.#timer);
    this.#timer = null;
    this.stays = 'not';
  }

  /** Leaves no timer behind once nothing is pending. */
  close(): void {
    this.#isClosed = true;
    if (this.pending === 0) this.letGo();
    else this.stays = 'until-end';
  }

  readonly #look = (): void => {
    if (this.pending === 0) return this.letGo();
    this.stays = 'until-end';
    this.#timer = outsideOfContexts(() => start(this.#look, LONGEST_MS));
  };
}
