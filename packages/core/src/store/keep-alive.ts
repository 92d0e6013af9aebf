import { clearInterval, setInterval } from 'node:timers';
import { outsideOfContexts } from '../async-context.js';

// Captured at load, as systemClock does: fake timers must not end a process that waits for a lock.
const start = setInterval;
const stop = clearInterval;

/**
 * Keeps the process alive while calls are pending, and only then: all other timers are unref'd, and a waiting
 * `acquire` has nothing else that the event loop would stay for.
 */
export class KeepAlive {
  #pending = 0;
  #isClosed = false;
  #handle: ReturnType<typeof setInterval> | null = null;

  /** A call has begun: the process stays. */
  begin(): void {
    this.#pending += 1;
    if (this.#pending > 1) return;
    if (this.#handle === null) this.#handle = outsideOfContexts(() => start(() => {}, 2 ** 31 - 1));
    else this.#handle.ref();
  }

  /** A call has ended: without others the process may end. */
  end(): void {
    this.#pending -= 1;
    if (this.#pending > 0) return;
    this.#handle?.unref();
    if (this.#isClosed) this.#stop();
  }

  /** Leaves no timer behind once nothing is pending. */
  close(): void {
    this.#isClosed = true;
    if (this.#pending === 0) this.#stop();
  }

  #stop(): void {
    if (this.#handle !== null) stop(this.#handle);
    this.#handle = null;
  }
}
