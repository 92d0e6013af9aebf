import type { HoldRequest, WaitLine } from '@holdfast/core';
import type { NameKeys } from './lock-keys.js';

interface WaitEntry {
  readonly keys: NameKeys;
  readonly wakes: Set<() => void>;
  writers: number;
}

/** Who waits here for one name, as far as it is known. */
export interface WaitersHere {
  readonly waiters: number;
  /** null where nobody waits, or where it is not known. */
  readonly oldestWaitMs: number | null;
}

/** Who waits here, by name. What it means on the server, announcements and gates, is the session's. */
export class WaitList {
  readonly #entries = new Map<string, WaitEntry>();
  /** What this manager says of its own lines, of which the first asks for all. */
  readonly #lines = new Map<string, () => WaitLine>();
  readonly #onLeave: (keys: NameKeys) => void;

  constructor(onLeave: (keys: NameKeys) => void) {
    this.#onLeave = onLeave;
  }

  add(request: HoldRequest, keys: NameKeys, wake: () => void): { close(): void } {
    const entry = this.#entries.get(keys.id) ?? { keys, wakes: new Set(), writers: 0 };
    this.#entries.set(keys.id, entry);
    // A function of its own, so that the same one may be added twice.
    const own = (): void => wake();
    entry.wakes.add(own);
    const writers = request.mode === 'write' ? 1 : 0;
    entry.writers += writers;
    return {
      close: () => {
        if (!entry.wakes.delete(own)) return;
        entry.writers -= writers;
        if (entry.wakes.size === 0) this.#entries.delete(keys.id);
        this.#onLeave(keys);
      },
    };
  }

  waits({ id }: NameKeys): boolean {
    return this.#entries.has(id);
  }

  writes({ id }: NameKeys): boolean {
    return (this.#entries.get(id)?.writers ?? 0) > 0;
  }

  announce({ id }: NameKeys, line: () => WaitLine): { close(): void } {
    this.#lines.set(id, line);
    return {
      close: () => {
        if (this.#lines.get(id) === line) this.#lines.delete(id);
      },
    };
  }

  waitersOf({ id }: Pick<NameKeys, 'id'>): WaitersHere {
    return this.#lines.get(id)?.() ?? { waiters: this.#entries.get(id)?.wakes.size ?? 0, oldestWaitMs: null };
  }

  wake(id: string): void {
    for (const wake of [...(this.#entries.get(id)?.wakes ?? [])]) wake();
  }

  /** The same for the names whose keys fit. */
  wakeWhere(fits: (keys: NameKeys) => boolean): void {
    for (const { keys } of [...this.#entries.values()]) if (fits(keys)) this.wake(keys.id);
  }

  /** What was reported meanwhile is not known: everybody looks. */
  wakeAll(): void {
    for (const id of [...this.#entries.keys()]) this.wake(id);
  }
}
