import type { Leader, LeaderView } from './leader-view.js';

interface Waiter {
  resolve(result: IteratorResult<Leader | null, undefined>): void;
  reject(error: unknown): void;
}

/** Follows a view, from the first `next` on. Of what came while nobody asked, the latest counts. */
export class LeaderIterator implements AsyncIterableIterator<Leader | null, undefined> {
  readonly #follow: () => () => void;
  readonly #signals: readonly AbortSignal[];
  readonly #onAbort = (): void => this.#end(null);
  readonly #waiters: Waiter[] = [];
  #stop: (() => void) | null = null;
  #isEnded = false;
  #error: unknown = null;
  /** What was seen, and not given yet. */
  #fresh: { readonly leader: Leader | null } | null = null;
  #given: { readonly leader: Leader | null } | null = null;

  constructor(view: LeaderView, everyMs: number, signals: readonly AbortSignal[], onSeen: (leader: Leader | null) => void) {
    this.#signals = signals;
    this.#follow = () =>
      view.follow({
        everyMs,
        seen: (leader) => {
          onSeen(leader);
          this.#seen(leader);
        },
        end: (error) => this.#end(error),
      });
  }

  next(): Promise<IteratorResult<Leader | null, undefined>> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      if (this.#stop === null && !this.#isEnded) this.#start();
      this.#serve();
    });
  }

  async return(): Promise<IteratorResult<Leader | null, undefined>> {
    this.#end(null);
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #start(): void {
    if (this.#signals.some(({ aborted }) => aborted)) {
      this.#end(null);
      return;
    }
    for (const signal of this.#signals) signal.addEventListener('abort', this.#onAbort, { once: true });
    this.#stop = this.#follow();
  }

  #seen(leader: Leader | null): void {
    this.#fresh = this.#given !== null && this.#given.leader?.term === leader?.term ? null : { leader };
    this.#serve();
  }

  #end(error: unknown): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#error = error;
    this.#fresh = null;
    this.#stop?.();
    for (const signal of this.#signals) signal.removeEventListener('abort', this.#onAbort);
    this.#serve();
  }

  #serve(): void {
    if (this.#fresh !== null) {
      const waiter = this.#waiters.shift();
      if (waiter === undefined) return;
      this.#given = this.#fresh;
      this.#fresh = null;
      waiter.resolve({ done: false, value: this.#given.leader });
    }
    if (!this.#isEnded) return;
    for (const waiter of this.#waiters.splice(0)) {
      // An iterator that has failed is done from then on.
      if (this.#error === null) waiter.resolve({ done: true, value: undefined });
      else waiter.reject(this.#error);
      this.#error = null;
    }
  }
}
