import { type Clock, type FencingToken, type Lease, LockArgumentError, LockLostError, type LockManager } from '@holdfast/core';

interface Held<F extends FencingToken> {
  readonly lease: Lease<F>;
  count: number;
  /** Keeps a lease of a fixed time until the last `unlock`. */
  keeping: Disposable | null;
}

/** How a lock is to be taken. */
export interface Taking<F extends FencingToken> {
  /** How long to wait; undefined: as long as it takes. */
  readonly waitMs: number | undefined;
  /** What the call is promised: so long, or until the last `unlock`. */
  readonly leaseMs: number | undefined;
  /** Takes it from the store. null: somebody else has it. */
  readonly take: (waitMs: number | undefined) => Promise<Lease<F> | null>;
}

/** The steps on one name that are under way. */
interface Line {
  last: Promise<unknown>;
  /** How many of them may wait for the lock. */
  waiting: number;
}

/** What one context of re-entrant locks holds. Steps on one name follow each other, also when its flows run side by side. */
export class ContextHolds<F extends FencingToken> {
  isOver = false;
  readonly #outer: ContextHolds<F> | null;
  readonly #locks: LockManager<F>;
  readonly #held = new Map<string, Held<F>>();
  readonly #lines = new Map<string, Line>();

  constructor(outer: ContextHolds<F> | null, locks: LockManager<F>) {
    this.#outer = outer;
    this.#locks = locks;
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

  /**
   * Counts one more, and makes sure that it lasts for what was promised; or takes it.
   *
   * @returns false when `take` said null, or another flow of this context waited for it for longer than this one would
   * @throws LockLostError when it was held and is lost
   */
  async lock(name: string, { waitMs, leaseMs, take }: Taking<F>): Promise<boolean> {
    const { clock } = this.#locks;
    const until = clock.now() + (waitMs ?? Number.POSITIVE_INFINITY);
    // Nothing is awaited between the last look and the step: of two flows one is seen by the other.
    while (waitMs !== undefined && (this.#lines.get(name)?.waiting ?? 0) > 0) {
      if (clock.now() >= until) return false;
      // oxlint-disable-next-line no-await-in-loop
      await settledOrAfter(this.#lines.get(name)?.last, clock, until - clock.now());
    }
    const leftMs = waitMs === undefined || waitMs === 0 ? waitMs : Math.max(0, Math.round(until - clock.now()));
    return await this.#step(name, leftMs !== 0, async () => {
      const held = this.#held.get(name);
      if (held !== undefined) {
        held.lease.assertHeld();
        if (leaseMs === undefined) await this.#keep(held);
        else if (held.lease.remainingMs < leaseMs && held.keeping === null) await held.lease.extend(leaseMs);
        held.count += 1;
        return true;
      }
      const lease = await take(leftMs);
      if (lease === null) return false;
      // The context ended while it was waited for: nobody is left to free it.
      if (this.isOver) {
        await lease[Symbol.asyncDispose]();
        throw new LockArgumentError(`${JSON.stringify(name)} was granted after its context had ended; it was freed again`, {
          option: 'context',
          lockName: name,
        });
      }
      // Without a time it is renewed by its manager.
      this.#held.set(name, { lease, count: 1, keeping: leaseMs === undefined ? MANAGED : null });
      return true;
    });
  }

  /** Counts one less, and frees it at the last. */
  async unlock(name: string): Promise<void> {
    await this.#step(name, false, async () => {
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
      held.keeping?.[Symbol.dispose]();
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

  /** Frees what remains. Never rejects. */
  async end(): Promise<void> {
    this.isOver = true;
    const held = [...this.#held.values()];
    this.#held.clear();
    await Promise.all(
      held.map(({ lease, keeping }) => {
        keeping?.[Symbol.dispose]();
        return lease[Symbol.asyncDispose]();
      }),
    );
  }

  /** Keeps a lease of a fixed time from now on. @throws as `extend` */
  async #keep(held: Held<F>): Promise<void> {
    if (held.keeping !== null) return;
    const { clock, leaseDefaults } = this.#locks;
    await held.lease.extend(leaseDefaults.ttlMs);
    held.keeping ??= keepExtending(held.lease, clock, leaseDefaults.ttlMs);
  }

  async #step<T>(name: string, mayWait: boolean, work: () => Promise<T>): Promise<T> {
    const line = this.#lines.get(name) ?? { last: Promise.resolve(), waiting: 0 };
    const step = line.last.then(work, work);
    line.last = step;
    if (mayWait) line.waiting += 1;
    this.#lines.set(name, line);
    try {
      return await step;
    } finally {
      if (mayWait) line.waiting -= 1;
      if (line.last === step) this.#lines.delete(name);
    }
  }
}

/** Of a lease that its manager renews. */
const MANAGED: Disposable = { [Symbol.dispose]() {} };

/** Extends a lease at each third of its time, and sooner after a failure, until it is lost or this is disposed of. */
function keepExtending(lease: Lease, clock: Clock, ttlMs: number): Disposable {
  let timer: { cancel(): void };
  let isOver = false;
  const after = (ms: number): void => {
    timer = clock.setTimer(ms, () => {
      lease.extend(ttlMs).then(
        () => !isOver && after(ttlMs / 3),
        () => !isOver && lease.isHeld && after(Math.min(ttlMs / 9, 500)),
      );
    });
  };
  after(ttlMs / 3);
  return {
    [Symbol.dispose]() {
      isOver = true;
      timer.cancel();
    },
  };
}

function settledOrAfter(promise: Promise<unknown> | undefined, clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = Number.isFinite(ms) ? clock.setTimer(ms, resolve) : null;
    const done = (): void => {
      timer?.cancel();
      resolve();
    };
    Promise.resolve(promise).then(done, done);
  });
}
