/** Things that end, the next to end first: a binary heap. */
export class EndQueue<T extends { readonly endsAt: number }> {
  readonly #heap: T[] = [];

  add(item: T): void {
    const heap = this.#heap;
    let at = heap.length;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || parent.endsAt <= item.endsAt) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = item;
  }

  get size(): number {
    return this.#heap.length;
  }

  /** Forgets the others. */
  keep(items: Iterable<T>): void {
    this.#heap.length = 0;
    for (const item of items) this.add(item);
  }

  /** Takes out the one that ended first, if that was by `now`. */
  takeUntil(now: number): T | undefined {
    const [first] = this.#heap;
    if (first === undefined || first.endsAt > now) return undefined;
    const last = this.#heap.pop();
    if (last !== undefined && last !== first) this.#sink(last);
    return first;
  }

  #sink(item: T): void {
    const heap = this.#heap;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const [a, b] = [heap[left], heap[left + 1]];
      if (a === undefined) break;
      const [child, below] = b !== undefined && b.endsAt < a.endsAt ? [b, left + 1] : [a, left];
      if (child.endsAt >= item.endsAt) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = item;
  }
}
