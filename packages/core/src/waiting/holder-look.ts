import type { LockBackend } from '../contract/backend.js';
import type { HolderState } from '../contract/state.js';
import { LockTimeoutError } from '../errors.js';
import type { HoldPlan } from '../hold/hold-plan.js';
import type { StoreCalls } from '../calls/store-calls.js';
import { toldHolder } from '../told-state.js';

/** One look at who holds a name. */
export interface Look {
  readonly since: number;
  readonly isPending: boolean;
  /** null while unknown. */
  readonly holders: readonly HolderState[] | null;
}

/** Looks who holds the name that a wait did not get: best effort, and part of the wait's own time. */
export class HolderLook {
  /** How long before its end a wait looks, and how long the end then waits for a look that a busy process has begun late. */
  static readonly PATIENCE_MS = 100;
  readonly #plan: HoldPlan;
  readonly #backend: LockBackend;
  readonly #calls: StoreCalls;
  #pending: { readonly since: number; readonly answer: Promise<readonly HolderState[] | null> } | null = null;

  constructor(plan: HoldPlan, backend: LockBackend, calls: StoreCalls) {
    this.#plan = plan;
    this.#backend = backend;
    this.#calls = calls;
  }

  static startsAfter(waitMs: number): number {
    return Math.max(waitMs / 2, waitMs - HolderLook.PATIENCE_MS);
  }

  /** Waits whose end is near share a look that is under way. */
  start(onDone: (holders: readonly HolderState[] | null) => void): Look {
    const now = this.#calls.clock.now();
    if (this.#pending === null || now - this.#pending.since >= HolderLook.PATIENCE_MS) {
      const mine = { since: now, answer: this.holders(HolderLook.PATIENCE_MS * 2) };
      this.#pending = mine;
      void mine.answer.then(() => {
        if (this.#pending === mine) this.#pending = null;
      });
    }
    const look = { since: this.#pending.since, isPending: true, holders: null as readonly HolderState[] | null };
    void this.#pending.answer.then((holders) => {
      look.isPending = false;
      look.holders = holders;
      onDone(holders);
    });
    return look;
  }

  /** null when the store does not answer. */
  async holders(timeoutMs: number): Promise<readonly HolderState[] | null> {
    try {
      return await this.ask(Math.min(timeoutMs, this.#calls.commandTimeoutMs));
    } catch {
      return null;
    }
  }

  /** @throws one of our errors when the store does not answer */
  async ask(timeoutMs: number): Promise<readonly HolderState[]> {
    const { name, kind } = this.#plan;
    const { holders } = await this.#calls.run('inspect', 1, name, (call) => this.#backend.inspect(name, kind, call), timeoutMs);
    return holders.map(toldHolder);
  }

  timeoutError(waitMs: number, waitedMs: number, holders: readonly HolderState[]): LockTimeoutError {
    const labels = holders.flatMap((holder) => (holder.label === null ? [] : [holder.label]));
    const by = labels.length === 0 ? '' : ` (held by ${labels.slice(0, 3).join(', ')})`;
    return new LockTimeoutError(`${JSON.stringify(this.#plan.name)} was not free within ${waitMs} ms${by}`, {
      backend: this.#backend.name,
      lockName: this.#plan.name,
      waitedMs,
      holders,
    });
  }
}
