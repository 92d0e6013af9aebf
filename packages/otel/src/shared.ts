/** What runs for one provider, however many ask for it: twice over the same manager counts once. */
export interface Running {
  stop(): void;
}

/** By provider, what counts for it. */
export class Shared<P extends object> {
  readonly #start: (provider: P, isCounted: (managerId: string) => boolean) => Running;
  readonly #entries = new WeakMap<P, { readonly wanted: Map<symbol, string | null>; readonly running: Running }>();

  /** @param start begins to count; the options of the one who came first hold for all */
  constructor(start: (provider: P, isCounted: (managerId: string) => boolean) => Running) {
    this.#start = start;
  }

  /** @param managerId null: every manager. @returns ends this use, and with the last one the counting */
  use(provider: P, managerId: string | null): () => void {
    let entry = this.#entries.get(provider);
    if (entry === undefined) {
      const wanted = new Map<symbol, string | null>();
      const isCounted = (id: string): boolean => [...wanted.values()].some((each) => each === null || each === id);
      entry = { wanted, running: this.#start(provider, isCounted) };
      this.#entries.set(provider, entry);
    }
    const { wanted, running } = entry;
    const key = Symbol('use');
    wanted.set(key, managerId);
    return () => {
      if (!wanted.delete(key) || wanted.size > 0) return;
      this.#entries.delete(provider);
      running.stop();
    };
  }
}
