import { type AnyLockError, isLockError } from '@holdfast/core';
import { asSent, unavailable } from './redis-error.js';

/** Where the replies to requests go. Each index is told once. */
export interface Receiver {
  take(reply: unknown, index: number): void;
  fail(error: unknown, index: number): void;
}

/**
 * The replies to many requests, as one promise: an object for each would cost a batch more than its lock does. It
 * settles when all are there, so that no answer is left on its way.
 */
export class ReplyList<T> implements Receiver {
  readonly all: Promise<readonly T[]>;
  readonly #results: T[];
  readonly #read: (reply: unknown, lockName: string | null) => T;
  readonly #nameAt: (index: number) => string | null;
  #failures: unknown[] | null = null;
  #missing: number;
  /** Of one of them at least, as far as is known. */
  #wasSent = false;
  #settle!: { resolve(results: readonly T[]): void; reject(error: unknown): void };

  /** @param read turns a reply into a result; what it throws is a failure */
  constructor(size: number, nameAt: (index: number) => string | null, read: (reply: unknown, lockName: string | null) => T) {
    this.#results = new Array<T>(size);
    this.#missing = size;
    this.#nameAt = nameAt;
    this.#read = read;
    this.all = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    if (size === 0) this.#settle.resolve([]);
  }

  take(reply: unknown, index: number): void {
    try {
      this.#results[index] = this.#read(reply, this.#nameAt(index));
    } catch (error) {
      (this.#failures ??= []).push(error);
    }
    this.#wasSent = true;
    this.#count();
  }

  fail(error: unknown, _index: number): void {
    if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') || error.wasSent) this.#wasSent = true;
    (this.#failures ??= []).push(error);
    this.#count();
  }

  #count(): void {
    this.#missing -= 1;
    if (this.#missing > 0) return;
    if (this.#failures === null) this.#settle.resolve(this.#results);
    else this.#settle.reject(this.#wasSent ? asSent(worstOf(this.#failures)) : worstOf(this.#failures));
  }
}

/** Of several failures the first that waiting cannot mend, or else any. */
export function worstOf(failures: readonly unknown[]): AnyLockError {
  const told = failures.map((failure) => unavailable(failure));
  return told.find((error) => isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && !error.retryable) ?? told[0] ?? unavailable(null);
}
