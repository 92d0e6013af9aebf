import type { Clock } from '@holdfast/core';

interface Watched {
  readonly nodes: Set<number>;
  /** Monotonic time from which on nobody asks any more. */
  readonly until: number;
}

/**
 * On which nodes a release has freed a vote, for releases without an outcome so far. A repeated release finds nothing on such a node,
 * and must not take that for a hold that was lost before.
 */
export class FreedVotes {
  readonly #clock: Clock;
  readonly #watched = new Map<string, Watched>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @returns the nodes that have freed the owner's vote so far; the set grows with `note` */
  watch(owner: string, until: number): ReadonlySet<number> {
    this.#sweep();
    const watched = this.#watched.get(owner) ?? { nodes: new Set(), until };
    this.#watched.set(owner, watched);
    return watched.nodes;
  }

  /** A node has freed the owner's vote, for whichever release. */
  note(node: number, owner: string): void {
    this.#watched.get(owner)?.nodes.add(node);
  }

  /** The outcome is known. */
  forget(owner: string): void {
    this.#watched.delete(owner);
  }

  #sweep(): void {
    if (this.#watched.size === 0) return;
    const now = this.#clock.now();
    for (const [owner, { until }] of this.#watched) if (until <= now) this.#watched.delete(owner);
  }
}
