import { nobodysContext } from '../async-context.js';
import type { DifferentLimit } from '../contract/backend.js';
import type { EventSource } from '../events.js';
import { warnOnce } from '../once-a-process.js';

/** So many names are remembered as reported; then the oldest of them may be reported again. */
const MOST_NAMES = 10_000;

/**
 * Reports semaphores whose holders go by another limit than this manager: an event once a name, and one warning a process, which names the first.
 * Nobody is refused, since a rolling deployment changes a limit while holders of the former one are there.
 */
export class LimitWatch {
  readonly #events: EventSource;
  readonly #reported = new Set<string>();

  constructor(events: EventSource) {
    this.#events = events;
  }

  /** The store has shown it with an answer; called in the context of whichever call that answer was for. */
  differs({ name, limit, holdersLimit }: DifferentLimit): void {
    if (limit === holdersLimit || this.#reported.has(name)) return;
    this.#reported.add(name);
    if (this.#reported.size > MOST_NAMES) for (const oldest of this.#reported.keys()) if (this.#reported.delete(oldest)) break;
    nobodysContext.runInAsyncScope(() => {
      warnOnce(
        'HOLDFAST_LIMIT_DIFFERS',
        `semaphore ${JSON.stringify(name)} has ${limit} permits for this process, and ${holdersLimit} permits for a process that holds permits; each process keeps to its own number. Give all processes the same number; during a rolling deployment that changes the number, this warning is expected`,
      );
      this.#events.emitLimit({ type: 'limit-differs', kind: 'semaphore', name, label: null, limit, holdersLimit });
    });
  }
}
