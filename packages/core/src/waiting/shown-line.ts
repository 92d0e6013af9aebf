import { outsideOfContexts } from '../async-context.js';
import type { LockBackend, WaitLine } from '../contract/backend.js';
import { requestOf } from '../hold/hold.js';
import type { HoldPlan } from '../hold/hold-plan.js';

/** Shows in the store that somebody of this manager waits for one name, where the backend can, and the store does not count by itself. */
export class ShownLine {
  readonly #backend: LockBackend;
  readonly #line: () => WaitLine;
  #shown: { close(): void } | null = null;

  /** @param line who waits, at the moment in which the backend asks */
  constructor(backend: LockBackend, line: () => WaitLine) {
    this.#backend = backend;
    this.#line = line;
  }

  open(plan: HoldPlan): void {
    this.#shown ??= outsideOfContexts(() => this.#backend.announce?.(requestOf(plan, ''), this.#line) ?? null);
  }

  close(): void {
    this.#shown?.close();
    this.#shown = null;
  }
}
