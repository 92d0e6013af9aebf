import type { Hold } from './hold.js';
import { isExclusive } from './hold-plan.js';

/** What one manager has of each key: of holds that stand, and of those whose release has not been answered. */
export class OwnShares {
  readonly #exclusive = new Map<string, Hold>();
  /** How many readers, or permits. */
  readonly #shared = new Map<string, number>();

  add(hold: Hold): void {
    const { plan } = hold;
    if (isExclusive(plan)) this.#exclusive.set(plan.key, hold);
    else this.#shared.set(plan.key, (this.#shared.get(plan.key) ?? 0) + plan.permits);
  }

  remove(hold: Hold): void {
    const { plan } = hold;
    if (isExclusive(plan)) {
      if (this.#exclusive.get(plan.key) === hold) this.#exclusive.delete(plan.key);
      return;
    }
    const left = (this.#shared.get(plan.key) ?? 0) - plan.permits;
    if (left > 0) this.#shared.set(plan.key, left);
    else this.#shared.delete(plan.key);
  }

  /** What keeps everybody else out. */
  exclusive(key: string): Hold | undefined {
    return this.#exclusive.get(key);
  }

  /** How many permits; any other hold counts as one. */
  of(key: string): number {
    return this.#exclusive.has(key) ? 1 : (this.#shared.get(key) ?? 0);
  }
}
