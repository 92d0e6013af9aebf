import type { FailureRules, Receiver } from './piece.js';

/**
 * The results of many requests, as one promise: an object for each would cost a batch more than its lock does. It
 * settles when all are there, so that no answer is left on its way.
 */
export class ReplyList<T> implements Receiver<T> {
  /** The results in the order of the requests; rejects with the failure that matters most when any failed. */
  readonly all: Promise<readonly T[]>;
  readonly #results: T[];
  readonly #rules: FailureRules;
  readonly #failures: Error[] = [];
  #missing: number;
  #settle!: { resolve(results: readonly T[]): void; reject(error: Error): void };

  /** @param count how many requests there are */
  constructor(count: number, rules: FailureRules) {
    this.#results = new Array<T>(count);
    this.#missing = count;
    this.#rules = rules;
    this.all = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    if (count === 0) this.#settle.resolve([]);
  }

  /** One result has come. */
  take(result: T, index: number): void {
    this.#results[index] = result;
    this.#count();
  }

  /** One request has failed. */
  fail(failure: Error): void {
    this.#failures.push(failure);
    this.#count();
  }

  #count(): void {
    this.#missing -= 1;
    if (this.#missing > 0) return;
    const failure = worstOf(this.#failures, this.#rules);
    if (failure === null) this.#settle.resolve(this.#results);
    // What is known of one is not known of all.
    else if (this.#failures.length < this.#results.length || this.#failures.some((each) => this.#rules.wasSent(each)))
      this.#settle.reject(this.#rules.asSent(failure));
    else this.#settle.reject(failure);
  }
}

/** Of several failures the first that waiting cannot cure, or else the first; null of none. */
function worstOf<E extends Error>(failures: readonly E[], { isPermanent }: Pick<FailureRules, 'isPermanent'>): E | null {
  return failures.find((failure) => isPermanent(failure)) ?? failures[0] ?? null;
}
