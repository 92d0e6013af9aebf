import type { CallContext, HoldRequest } from '@holdfast/core';
import { letterOf, type ModeLetter, type NameKeys } from './key-space.js';

/** One waiter of a fair queue: it keeps its place until it is granted or leaves. */
export class QueuePlace {
  readonly request: HoldRequest;
  readonly mode: ModeLetter;
  readonly keys: NameKeys;
  /** The place on the server. */
  readonly member: string;
  readonly call: CallContext;
  /** Its position on the server, kept so that it can be taken again. '' before the first answer. */
  score = '';
  /** It has just come, its turn has come, or its place was lost. */
  #mustAsk = true;
  #isEnded = false;
  #reason: unknown = null;
  #next: (() => void) | null = null;

  constructor(request: HoldRequest, keys: NameKeys, managerId: string, call: CallContext) {
    this.request = request;
    this.mode = letterOf[request.mode];
    this.keys = keys;
    this.call = call;
    const [permits, limit] = request.mode === 'permits' ? [request.permits, request.limit] : [1, 1];
    this.member = `${request.owner}:${managerId}:${this.mode}:${permits}:${limit}`;
  }

  /** Resolves when it has to ask. @throws what ended the wait */
  async turn(): Promise<void> {
    while (!this.#mustAsk && !this.#isEnded) {
      await new Promise<void>((resolve) => {
        this.#next = resolve;
      });
    }
    this.throwIfEnded();
    this.#mustAsk = false;
  }

  throwIfEnded(): void {
    if (this.#isEnded) throw this.#reason;
  }

  ask(): void {
    this.#mustAsk = true;
    this.#next?.();
  }

  /** Ends the wait; the first reason stays. */
  end(reason: unknown): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#reason = reason;
    this.#next?.();
  }
}
