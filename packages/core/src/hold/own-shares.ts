import type { Hold } from './hold.js';

/** How much one manager has of each key: of holds that stand, and of those whose release has not been answered. */
export class OwnShares {
  readonly #shares = new Map<string, number>();

  add({ plan: { key, permits } }: Hold): void {
    this.#shares.set(key, this.of(key) + permits);
  }

  remove({ plan: { key, permits } }: Hold): void {
    const left = this.of(key) - permits;
    if (left > 0) this.#shares.set(key, left);
    else this.#shares.delete(key);
  }

  /** How many permits; any other hold counts as one. */
  of(key: string): number {
    return this.#shares.get(key) ?? 0;
  }
}
