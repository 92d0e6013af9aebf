import { AsyncLocalStorage } from 'node:async_hooks';
import { type FencingToken, onceAProcess } from '@holdfast/core';
import type { ContextHolds } from './context-holds.js';

interface Frame {
  readonly owner: object;
  readonly context: unknown;
  readonly outer: Frame | undefined;
}

// One for all: up to Node 22 each such storage that was ever used makes every promise of the process a little dearer.
const frames = onceAProcess('@holdfast/migration:contexts:1', () => new AsyncLocalStorage<Frame>());

/** The contexts of one `createReentrantLocks`: those of others in the same flow are not seen. */
export class OwnContexts<F extends FencingToken> {
  /** The innermost one that the caller runs in. */
  get current(): ContextHolds<F> | null {
    for (let at = frames.getStore(); at !== undefined; at = at.outer) if (at.owner === this) return at.context as ContextHolds<F>;
    return null;
  }

  run<T>(context: ContextHolds<F>, task: () => T): T {
    return frames.run({ owner: this, context, outer: frames.getStore() }, task);
  }
}
