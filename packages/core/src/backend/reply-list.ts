import type { Step } from './connection.js';
import type { FailureRules, Piece, Read, Receiver } from './piece.js';

/**
 * The replies to many requests, as one promise: an object for each would cost a batch more than its lock does. It
 * settles when all are there, so that no answer is left on its way.
 */
export class ReplyList<S extends Step, T> implements Receiver {
  /** The results in the order of the requests; rejects with the failure that matters most when any failed. */
  readonly all: Promise<readonly T[]>;
  readonly #pieces: readonly Piece<S>[];
  readonly #results: T[];
  readonly #read: Read<S, T>;
  readonly #rules: FailureRules;
  readonly #failures: Error[] = [];
  #missing: number;
  #isAnswered = false;
  #settle!: { resolve(results: readonly T[]): void; reject(error: Error): void };

  /** @param read turns a reply into a result; what it throws is a failure */
  constructor(pieces: readonly Piece<S>[], read: Read<S, T>, rules: FailureRules) {
    this.#pieces = pieces;
    this.#results = new Array<T>(pieces.length);
    this.#missing = pieces.length;
    this.#read = read;
    this.#rules = rules;
    this.all = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    if (pieces.length === 0) this.#settle.resolve([]);
  }

  /** One reply has come. */
  take(reply: unknown, index: number, isFinal: boolean, isOnly: boolean): void {
    const piece = this.#pieces[index] as Piece<S>;
    try {
      this.#results[index] = this.#read(reply, piece, isFinal, isOnly);
    } catch (error) {
      this.#failures.push(this.#rules.failureOf(error, piece.lockName, true));
    }
    this.#isAnswered = true;
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
    else if (this.#isAnswered || this.#failures.some((each) => this.#rules.wasSent(each))) this.#settle.reject(this.#rules.asSent(failure));
    else this.#settle.reject(failure);
  }
}

/** Of several failures the first that waiting cannot cure, or else the first; null of none. */
function worstOf<E extends Error>(failures: readonly E[], { isPermanent }: Pick<FailureRules, 'isPermanent'>): E | null {
  return failures.find((failure) => isPermanent(failure)) ?? failures[0] ?? null;
}
