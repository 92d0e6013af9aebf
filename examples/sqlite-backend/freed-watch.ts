import type { Database } from './database.js';

/** How often waiters look whether anything was freed, in ms: a read of one row of this host's memory. */
const LOOK_MS = 10;

interface Waiter {
  readonly name: string;
  readonly wake: () => void;
}

/** Wakes those who wait in this process when anybody has freed something. SQLite sends no messages; a counter that rises is looked at. */
export class FreedWatch {
  readonly #database: Database;
  readonly #waiters = new Set<Waiter>();
  #timer: NodeJS.Timeout | undefined;
  #seen = -1;

  constructor(database: Database) {
    this.#database = database;
  }

  open(name: string, wake: () => void): { close(): void } {
    const waiter: Waiter = { name, wake };
    if (this.#waiters.size === 0) this.#seen = this.#count();
    this.#waiters.add(waiter);
    // A waiter that is pending keeps the process by itself.
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
    return {
      close: () => {
        this.#waiters.delete(waiter);
        if (this.#waiters.size === 0) this.close();
      },
    };
  }

  /** Whether somebody waits for the name: an attempt for it is then one that will wait. */
  isOpen(name: string): boolean {
    return [...this.#waiters].some((waiter) => waiter.name === name);
  }

  /** Something was freed by this process: behind the transaction its own waiters need not wait for the next look. */
  lookSoon(): void {
    if (this.#waiters.size > 0) setImmediate(() => this.#look());
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    if (this.#waiters.size === 0) return;
    const count = this.#count();
    if (count === this.#seen) return;
    this.#seen = count;
    for (const { wake } of this.#waiters) wake();
  }

  #count(): number {
    try {
      return Number(this.#database.get("SELECT n FROM counters WHERE what = 'freed'")?.['n']);
    } catch {
      // Closed, or locked for a moment: the waiters ask by themselves every two seconds.
      return this.#seen;
    }
  }
}
