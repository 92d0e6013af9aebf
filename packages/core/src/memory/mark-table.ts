import type { Clock } from '../index.js';

const SWEPT_PER_REQUEST = 2;

/** Completion marks, each kept for its time by the store's clock. */
export class MarkTable {
  readonly #clock: Clock;
  readonly #expiries = new Map<string, number>();
  #sweep = this.#expiries.entries();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many marks stand. */
  get size(): number {
    for (const [name, expiry] of this.#expiries) this.#expire(name, expiry);
    return this.#expiries.size;
  }

  /** How many marks take up memory, expired ones included. */
  get retained(): number {
    return this.#expiries.size;
  }

  /** false when the mark stands already; it is then kept as long as its first setter asked, and no longer. */
  set(name: string, retentionMs: number): boolean {
    this.#sweepSome();
    if (this.has(name)) return false;
    this.#expiries.set(name, this.#clock.now() + retentionMs);
    return true;
  }

  has(name: string): boolean {
    const expiry = this.#expiries.get(name);
    return expiry !== undefined && !this.#expire(name, expiry);
  }

  deleteAll(): number {
    const { size } = this.#expiries;
    this.#expiries.clear();
    return size;
  }

  #expire(name: string, expiry: number): boolean {
    return expiry <= this.#clock.now() && this.#expiries.delete(name);
  }

  // As for holds: what nobody asks for again is dropped as others are set, without a timer.
  #sweepSome(): void {
    for (let i = 0; i < SWEPT_PER_REQUEST; i += 1) {
      const next = this.#sweep.next();
      if (next.done) {
        this.#sweep = this.#expiries.entries();
        return;
      }
      this.#expire(...next.value);
    }
  }
}
