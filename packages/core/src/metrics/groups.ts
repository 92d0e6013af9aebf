/** How many values one attribute may have: each makes a time series of each metric. */
const MOST_GROUPS = 100;
const OTHER = 'other';

/** Gives names a group, of which there are few. */
export class Groups {
  readonly #groupOf: (name: string) => unknown;
  readonly #known = new Set<string>();

  constructor(groupOf: (name: string) => unknown) {
    this.#groupOf = groupOf;
  }

  of(name: string): string {
    let group: unknown;
    try {
      group = this.#groupOf(name);
    } catch {
      return OTHER;
    }
    if (typeof group !== 'string') return OTHER;
    if (!this.#known.has(group)) {
      if (this.#known.size >= MOST_GROUPS) return OTHER;
      this.#known.add(group);
    }
    return group;
  }
}
