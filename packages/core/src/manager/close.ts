import type { FencingToken } from '../contract/lease.js';
import type { TimerEntry } from '../time/timer-queue.js';
import { StoreCall } from '../calls/store-calls.js';
import type { ManagerCore } from './manager-core.js';

/** How soon a later call with a shorter drain is noticed. */
const OPEN_CHECK_MS = 20;
/** What a backend has to close its connections, on top of what the releases left of their time. */
const CLOSE_MS = 500;

/** Ends a manager: open -> draining -> closed. Every call answers the same; a later, shorter drain cuts an earlier one short. */
export class Closer<F extends FencingToken> {
  readonly #core: ManagerCore<F>;
  #closed: Promise<void> | null = null;
  #drainUntil = Number.POSITIVE_INFINITY;

  constructor(core: ManagerCore<F>) {
    this.#core = core;
  }

  close(drainMs: number): Promise<void> {
    this.#drainUntil = Math.min(this.#drainUntil, this.#core.calls.clock.now() + drainMs);
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const { acquirer, timers, keepAlive, holds, backend, calls } = this.#core;
    this.#core.isClosing = true;
    acquirer.close();
    while (holds.heldCount > 0 && calls.clock.now() < this.#drainUntil) {
      await this.#atMost(Math.min(OPEN_CHECK_MS, this.#drainUntil - calls.clock.now()), holds.changed());
    }
    // Every signal aborts before the first hold is freed: no holder may learn of its loss from the next one.
    for (const hold of holds.standing()) holds.dispatch(hold, { type: 'gone', reason: 'closed' });
    holds.hasten();
    const freeUntil = calls.clock.now() + calls.commandTimeoutMs;
    // Also releases of callers that are under way, and what an aborted request may have left. A store out of reach does not keep us.
    while (holds.leavingCount > 0 && calls.clock.now() < freeUntil) {
      await this.#atMost(freeUntil - calls.clock.now(), holds.changed());
    }
    try {
      await calls.run('close', 1, null, () => backend.close(), CLOSE_MS + Math.max(0, Math.ceil(freeUntil - calls.clock.now())));
    } catch {
      // Nothing is left to be done with a backend that cannot close; its holds end by themselves.
    }
    holds.close();
    // A call that this backend leaves without an answer still ends at its deadline, and lets the process go then.
    timers.clear((entry) => entry instanceof StoreCall);
    keepAlive.close();
  }

  /** Waits for the work, but not longer; keeps the process alive meanwhile, and not a moment after. */
  #atMost(ms: number, work: Promise<void>): Promise<void> {
    const { timers, keepAlive, calls } = this.#core;
    return new Promise((resolve) => {
      const done = (): void => {
        if (isDone) return;
        isDone = true;
        timers.remove(entry);
        keepAlive.end();
        resolve();
      };
      let isDone = false;
      const entry: TimerEntry = { dueAt: 0, heapIndex: -1, onDue: done };
      keepAlive.begin();
      timers.set(entry, calls.clock.now() + ms);
      void work.then(done, done);
    });
  }
}
