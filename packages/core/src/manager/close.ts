import type { FencingToken } from '../contract/lease.js';
import type { TimerEntry } from '../store/timer-queue.js';
import { refOf } from '../lease/hold-plan.js';
import { byPartition } from '../store/partitions.js';
import { StoreCall } from '../store/store-calls.js';
import type { ManagerCore } from './manager-core.js';

/** How soon a later call with a shorter drain is noticed. */
const OPEN_CHECK_MS = 20;

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
    const { acquirer, undoer, timers, keepAlive, keeper, backend, calls } = this.#core;
    this.#core.isClosing = true;
    acquirer.close();
    while (keeper.size > 0 && calls.clock.now() < this.#drainUntil) {
      await this.#atMost(Math.min(OPEN_CHECK_MS, this.#drainUntil - calls.clock.now()), keeper.changed());
    }
    await this.#freeAll();
    // What an aborted attempt may have left; a store that is out of reach does not keep us.
    await this.#atMost(calls.commandTimeoutMs, undoer.drained());
    try {
      await calls.run(null, () => backend.close());
    } catch {
      // Nothing is left to be done with a backend that cannot close; its holds end by themselves.
    }
    undoer.close();
    // A call that this backend leaves without an answer still ends at its deadline, and lets the process go then.
    timers.clear((entry) => entry instanceof StoreCall);
    keepAlive.close();
  }

  /** Every signal aborts before the first hold is freed: no holder may learn it from the next one. */
  async #freeAll(): Promise<void> {
    const { keeper, backend, calls } = this.#core;
    const records = keeper.records();
    for (const record of records) keeper.lose(record, 'closed');
    const groups = byPartition(backend, records, (record) => record.plan.name);
    await Promise.all(
      groups.map(async (group) => {
        const refs = group.map((record) => refOf(record.plan, record.owner));
        try {
          await calls.run(null, (call) => backend.release(refs, call));
        } catch {
          for (const record of group) keeper.undo(record);
        }
      }),
    );
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
