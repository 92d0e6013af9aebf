import type { CallContext } from '@holdfast/core';

/** Requests at a time; who comes while so many are under way goes with the next. */
const MOST_UNDER_WAY = 2;

interface Waiting<T, A> {
  readonly items: readonly T[];
  readonly call: CallContext;
  readonly resolve: (answers: readonly A[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Makes few large requests of many small ones: a connection of HTTP carries one request at a time. */
export class Gatherer<T, A> {
  readonly #send: (items: readonly T[], call: CallContext) => Promise<readonly A[]>;
  #waiting: Waiting<T, A>[] = [];
  #underWay = 0;

  /** @param send answers each item, in its place */
  constructor(send: (items: readonly T[], call: CallContext) => Promise<readonly A[]>) {
    this.#send = send;
  }

  ask(items: readonly T[], call: CallContext): Promise<readonly A[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ items, call, resolve, reject });
      if (this.#underWay < MOST_UNDER_WAY) void this.#next();
    });
  }

  async #next(): Promise<void> {
    const waiting = this.#waiting;
    const [first] = waiting;
    if (first === undefined) return;
    this.#waiting = [];
    this.#underWay += 1;
    try {
      // Core gives all calls the same time, but for leases that are shorter than usual: theirs is what all get then.
      const call = waiting.reduce((least, one) => (one.call.timeoutMs < least.timeoutMs ? one.call : least), first.call);
      const answers = await this.#send(
        waiting.flatMap(({ items }) => items),
        call,
      );
      let at = 0;
      for (const { items, resolve } of waiting) {
        resolve(answers.slice(at, at + items.length));
        at += items.length;
      }
    } catch (error) {
      for (const { reject } of waiting) reject(error);
    } finally {
      this.#underWay -= 1;
      void this.#next();
    }
  }
}
