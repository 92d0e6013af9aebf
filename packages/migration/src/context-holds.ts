import { type FencingToken, type Lease, LockArgumentError, LockLostError } from '@holdfast/core';

interface Held<F extends FencingToken> {
  readonly lease: Lease<F>;
  count: number;
}

/** What one context of re-entrant locks holds. Steps on one name follow each other, also when its flows run side by side. */
export class ContextHolds<F extends FencingToken> {
  isOver = false;
  readonly #outer: ContextHolds<F> | null;
  readonly #held = new Map<string, Held<F>>();
  readonly #steps = new Map<string, Promise<unknown>>();

  constructor(outer: ContextHolds<F> | null) {
    this.#outer = outer;
  }

  leaseOf(name: string): Lease<F> | null {
    return this.#held.get(name)?.lease ?? null;
  }

  countOf(name: string): number {
    const held = this.#held.get(name);
    return held?.lease.isHeld === true ? held.count : 0;
  }

  /** Whether a context that waits for this one to end holds the lock. */
  isHeldAround(name: string): boolean {
    for (let context = this.#outer; context !== null; context = context.#outer) {
      if (!context.isOver && context.leaseOf(name)?.isHeld === true) return true;
    }
    return false;
  }

  /** Counts one more, or takes it. false: `take` said null. @throws LockLostError when it was held and is lost */
  async lock(name: string, take: () => Promise<Lease<F> | null>): Promise<boolean> {
    return await this.#step(name, async () => {
      const held = this.#held.get(name);
      if (held !== undefined) {
        held.lease.assertHeld();
        held.count += 1;
        return true;
      }
      const lease = await take();
      if (lease === null) return false;
      // The context ended while it was waited for: nobody is left to free it.
      if (this.isOver) {
        await lease[Symbol.asyncDispose]();
        throw new LockArgumentError(`${JSON.stringify(name)} was granted after its context had ended; it was freed again`, {
          option: 'context',
          lockName: name,
        });
      }
      this.#held.set(name, { lease, count: 1 });
      return true;
    });
  }

  /** Counts one less, and frees it at the last. */
  async unlock(name: string): Promise<void> {
    await this.#step(name, async () => {
      const held = this.#held.get(name);
      if (held === undefined) {
        throw new LockArgumentError(`unlock: ${JSON.stringify(name)} is not held by this context`, { option: 'context', lockName: name });
      }
      held.count -= 1;
      if (held.count > 0) {
        held.lease.assertHeld();
        return;
      }
      this.#held.delete(name);
      held.lease.assertHeld();
      if (await held.lease.release()) return;
      const { fencingToken } = held.lease;
      throw new LockLostError(`${JSON.stringify(name)} had been lost before it was released`, {
        lockName: name,
        reason: 'taken',
        fencingToken,
      });
    });
  }

  /** Frees what is left. Never rejects. */
  async end(): Promise<void> {
    this.isOver = true;
    const held = [...this.#held.values()];
    this.#held.clear();
    await Promise.all(held.map(({ lease }) => lease[Symbol.asyncDispose]()));
  }

  async #step<T>(name: string, work: () => Promise<T>): Promise<T> {
    const before = this.#steps.get(name);
    const step = (before ?? Promise.resolve()).then(work, work);
    this.#steps.set(name, step);
    try {
      return await step;
    } finally {
      if (this.#steps.get(name) === step) this.#steps.delete(name);
    }
  }
}
