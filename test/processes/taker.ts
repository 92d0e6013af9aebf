import { type ScriptProcess, spawnScript } from '@holdfast/test/servers';
import type { Answers, Orders, OrderTo, Reply } from './lock-taker.js';

/** The test's side of one process that takes locks. */
export class Taker {
  readonly process: ScriptProcess<Reply>;
  hasExited = false;
  #lastId = 0;

  constructor(url: string) {
    this.process = spawnScript<Reply>(new URL('./lock-taker.ts', import.meta.url), [url]);
    void this.process.exited.then(() => {
      this.hasExited = true;
    });
  }

  get pid(): number {
    return this.process.pid;
  }

  /** Tells without waiting for the answer: for orders that wait themselves, or that it will find when it goes on. */
  tell<T extends keyof Orders>(order: OrderTo<T>): () => Promise<Answers[T]> {
    this.#lastId += 1;
    const id = this.#lastId;
    this.process.send({ id, order });
    return async () => {
      const reply = await this.process.next((message) => message.id === id, 20_000);
      if (reply.error !== undefined) throw new Error(`the process that was asked to ${order.to} failed: ${reply.error}`);
      return reply.answer as Answers[T];
    };
  }

  ask<T extends keyof Orders>(order: OrderTo<T>): Promise<Answers[T]> {
    return this.tell(order)();
  }
}
