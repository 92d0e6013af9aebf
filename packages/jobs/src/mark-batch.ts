import type { CompletionMarks, MarkOptions } from '@holdfast/core';

interface Pending {
  readonly name: string;
  readonly options: MarkOptions;
  readonly resolve: (isSet: boolean) => void;
  readonly reject: (error: unknown) => void;
}

/** Sets marks: those that are asked for within one turn of the event loop in one request. */
export class MarkBatch {
  readonly #marks: CompletionMarks;
  #pending = new Map<string, Pending>();

  constructor(marks: CompletionMarks) {
    this.#marks = marks;
  }

  set(name: string, options: MarkOptions): Promise<boolean> {
    // Two of one name are two requests: the second one's answer depends on the first.
    if (this.#pending.has(name)) return this.#marks.set(name, options);
    return new Promise((resolve, reject) => {
      if (this.#pending.size === 0) setImmediate(() => void this.#flush());
      this.#pending.set(name, { name, options, resolve, reject });
    });
  }

  async #flush(): Promise<void> {
    const batch = [...this.#pending.values()];
    this.#pending = new Map();
    try {
      const [first] = batch;
      const answers =
        first !== undefined && batch.length === 1
          ? [await this.#marks.set(first.name, first.options)]
          : await this.#marks.setEach(batch.map(({ name, options }) => ({ ...options, name })));
      for (const [index, { resolve }] of batch.entries()) resolve(answers[index] === true);
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}
